"""The race on real data: a loop written apart gives the same numbers, the grid is searched as is said, and the test
samples choose nothing."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.extras.optimizers import CLASSIC, RULES
from tinygrad_edu.race import on_data as trials, pictures as raceplots, standings as families

X, Y, X_TEST, Y_TEST = tg.data.split(*tg.data.blobs(90, noise=0.8, rng=0), rng=0)
DATA = X, Y, X_TEST, Y_TEST


def run_once(rule, lr, seed, epochs):
    """Losses after each epoch, and the model: the loop of the textbooks."""
    model, order = tg.mlp([2, 32, 3], rng=seed), np.random.default_rng([seed, 1])
    optimizer = RULES[rule](model, lr=lr, nonfinite="propagate")
    losses = [tg.cross_entropy(model(X), Y).item()]
    for _ in range(epochs):
        for xb, yb in tg.batches(X, Y, 32, rng=order):
            optimizer.zero_grad()
            tg.cross_entropy(model(xb), yb).backward()
            optimizer.step()
        losses.append(tg.cross_entropy(model(X), Y).item())
    return losses, model


def seeds_of(rng, n):
    return np.random.default_rng(rng).choice(2**32, size=n + trials.TUNING, replace=False).tolist()


def test_losses_accuracies_and_rates_are_those_of_a_loop_written_apart():
    grid, rng = [0.003, 0.03, 0.3], 4
    found = tg.race_on_data(*DATA, ["sgd", "adam"], seeds=2, epochs=4, grid=grid, rng=rng)
    mine = seeds_of(rng, 2)
    for run, rule in zip(found.runs, ["sgd", "adam"], strict=True):
        worst = [max(np.mean(run_once(rule, lr, seed, 4)[0][3:]) for seed in mine[2:]) for lr in grid]
        assert run.lr == grid[int(np.argmin(worst))]
        assert run.rule == rule
        for seed, losses, accuracy in zip(mine, run.losses, run.accuracies, strict=False):
            expected, model = run_once(rule, run.lr, seed, 4)
            np.testing.assert_allclose(losses, expected, rtol=1e-9)
            assert accuracy == np.mean(model(X_TEST).numpy().argmax(axis=1) == Y_TEST)
            lost = tg.cross_entropy(model(X_TEST), Y_TEST).item()
            assert run.test_losses[mine.index(seed)] == pytest.approx(lost, rel=1e-9)
        assert run.seconds.shape == (2,)
        assert (run.seconds > 0).all()


@pytest.mark.parametrize(
    ("losses", "expected"),  # of two rates, for each seed: after 0, 1, 2, 3 and 4 epochs
    [
        ([[[2, 1, 1, 0.3, 0.3]], [[2, 1, 1, 0.9, 0.1]]], 0),  # a low end after a spike does not win
        ([[[2, 9, 9, 0.3, 0.3]], [[2, 1, 1, 0.4, 0.4]]], 0),  # the first half does not count
        ([[[2, 1, 1, 0.1, 0.1], [2, 1, 1, 0.9, 0.9]], [[2, 1, 1, 0.6, 0.6], [2, 1, 1, 0.7, 0.7]]], 1),  # the worst seed
        ([[[2, 1, 1, 0.1, 0.1], [2, 1, 1, 1, np.inf]], [[2, 1, 1, 5, 5], [2, 1, 1, 5, 5]]], 1),
        ([[[2, 1, 1, 0.2, 0.2]], [[2, 1, 1, 0.2, 0.2]]], 0),
        ([[[2, 0.5]], [[2, 0.4]]], 1),  # a single epoch
    ],
)
def test_the_rate_is_chosen_by_the_worst_seeds_mean_over_the_second_half(losses, expected):
    assert trials.best_rate(np.array(losses)) == expected


def test_all_rules_start_from_the_same_weights_and_see_the_same_batches():
    found = tg.race_on_data(*DATA, ["sgd", "sgd", "lion"], seeds=3, epochs=2, grid=[0.01])
    sgd, twin, lion = found.runs
    np.testing.assert_array_equal(sgd.losses, twin.losses)
    np.testing.assert_array_equal(sgd.losses[:, 0], lion.losses[:, 0])
    assert len(set(sgd.losses[:, 0])) == 3  # the seeds differ
    other = tg.race_on_data(*DATA, "sgd", seeds=3, epochs=2, grid=[0.01], rng=1)
    assert not set(sgd.losses[:, 0]) & set(other.runs[0].losses[:, 0])


def test_the_test_data_choose_nothing():
    found = tg.race_on_data(*DATA, "adam", seeds=1, epochs=3, grid=[0.001, 0.01, 0.1])
    shuffled = tg.race_on_data(X, Y, X_TEST, (Y_TEST + 1) % 3, "adam", seeds=1, epochs=3, grid=[0.001, 0.01, 0.1])
    assert found.runs[0].lr == shuffled.runs[0].lr
    np.testing.assert_array_equal(found.runs[0].losses, shuffled.runs[0].losses)
    assert shuffled.runs[0].accuracies[0] < found.runs[0].accuracies[0]


def test_a_rate_that_diverges_is_not_chosen_and_if_all_do_the_run_is_infinite(tmp_path):
    found = tg.race_on_data(*DATA, "heavy_ball", seeds=1, epochs=3, grid=[1e-3, 1e200])
    assert found.runs[0].lr == 1e-3
    found = tg.race_on_data(*DATA, "heavy_ball", seeds=2, epochs=3, grid=[1e200])
    assert np.isfinite(found.runs[0].losses[:, 0]).all()
    assert np.isinf(found.runs[0].losses[:, 1:]).all()
    assert "inf to inf" in str(found)
    pytest.importorskip("matplotlib")
    assert raceplots.loss_bands(found, tmp_path / "a.png").stat().st_size


def test_ranks_are_taken_within_a_seed_and_equal_losses_share_theirs():
    losses = {"sgd": [3.0, 1.0, np.inf], "adam": [1.0, 1.0, 2.0], "lion": [2.0, 5.0, np.inf]}
    runs = [trials.Trial(rule, 0.1, np.ones((3, 2)), np.ones(3), np.ones(3), np.array(x)) for rule, x in losses.items()]
    ranks = tg.DataRace("", "", np.ones(1), runs).ranks()
    assert {rule: mine.tolist() for rule, mine in ranks.items()} == {
        "sgd": [3, 1.5, 2.5],
        "adam": [1, 1.5, 1],
        "lion": [2, 3, 2.5],
    }


def test_schedule_free_is_judged_by_the_mean_of_its_points_and_trains_on():
    found = tg.race_on_data(*DATA, "schedule_free", seeds=1, epochs=3, grid=[0.1]).runs[0]
    model, order = tg.mlp([2, 32, 3], rng=(seed := seeds_of(0, 1)[0])), np.random.default_rng([seed, 1])
    optimizer = tg.ScheduleFree(model, lr=0.1)
    for _ in range(3):
        for xb, yb in tg.batches(X, Y, 32, rng=order):
            optimizer.zero_grad()
            tg.cross_entropy(model(xb), yb).backward()
            optimizer.step()
    at_p = tg.cross_entropy(model(X), Y).item()
    optimizer.buffer.data[:] = optimizer.x
    assert found.losses[0, -1] == pytest.approx(tg.cross_entropy(model(X), Y).item(), rel=1e-9) != at_p


def test_an_interrupted_race_goes_on_from_its_file(tmp_path, monkeypatch):
    file, given = tmp_path / "race.jsonl", {"seeds": 2, "epochs": 2, "grid": [0.01, 0.1]}
    whole = tg.race_on_data(*DATA, ["sgd", "adam"], **given)
    tg.race_on_data(*DATA, ["sgd"], **given, resume=file)
    done = file.read_text().splitlines()
    assert len(done) == 2 * trials.TUNING + 2
    file.write_text("\n".join(done[:7]) + '\n{"rule": "sg')  # cut off within a line
    trained = []
    train = trials._train
    monkeypatch.setattr(trials, "_train", lambda *a, **k: (trained.append(k["rule"]), train(*a, **k))[1])
    again = tg.race_on_data(*DATA, ["sgd", "adam"], **given, resume=file)
    assert [trained.count(rule) for rule in ("sgd", "adam")] == [5, 12]
    for run, other in zip(whole.runs, again.runs, strict=True):
        assert run.lr == other.lr
        np.testing.assert_array_equal(run.losses, other.losses)
        np.testing.assert_array_equal(run.test_losses, other.test_losses)
    trained.clear()
    tg.race_on_data(X + 1, *DATA[1:], "sgd", **given, resume=file)  # other data
    tg.race_on_data(*DATA, "sgd", **{**given, "epochs": 3}, resume=file)
    assert len(trained) == 24


def test_every_rule_has_a_family_and_the_standings_a_row_each():
    pytest.importorskip("matplotlib")
    assert {families.family(rule) for rule in RULES} == set(families.FAMILIES)
    expected = {"asgd": 0, "qhm": 0, "rprop": 1, "yogi": 2, "cocob": 2, "adamax": 2, "lars": 3, "mars": 3, "sm3": 4}
    assert {rule: families.FAMILIES.index(families.family(rule)) for rule in expected} == expected
    found = two_rules()
    page = families.standings(found)
    loss, accuracy, rank, *_ = page.axes
    texts = [label.get_text() for label in loss.get_yticklabels()]
    assert texts == ["a scale for each number", "adam  0.01", "descent and momentum", "sgd  1"]
    for ax, values in ((loss, [[0.1, 0.3], [0.05, 3]]), (accuracy, [[80, 100], [50, 70]]), (rank, [[1, 2], [1, 2]])):
        spans = [line.get_xdata().tolist() for line in ax.lines if len(line.get_xdata()) == 2 and line.get_alpha()]
        np.testing.assert_allclose(spans, values)
    dots = [(line.get_marker(), float(line.get_xdata()[0])) for line in loss.lines if len(line.get_xdata()) == 1]
    assert dots == [("X", 0.2), ("o", 3.0)]


def test_a_rule_that_diverged_stands_at_the_right_end(tmp_path):
    pytest.importorskip("matplotlib")
    slow, fast = two_rules().runs
    found = two_rules()._replace(runs=[slow, fast._replace(test_losses=np.full(3, np.inf))])
    loss = families.standings(found).axes[0]
    assert max(float(np.max(line.get_xdata())) for line in loss.lines if line.get_alpha()) == 2 * 3
    assert families.standings(found, tmp_path / "a.png").stat().st_size


def test_every_rule_races_and_each_is_reported():
    seen = []
    found = tg.race_on_data(*DATA, seeds=1, epochs=1, grid=[0.01], report=lambda run: seen.append(run.rule))
    assert seen == [run.rule for run in found.runs] == list(CLASSIC)


def two_rules():
    losses = np.array([[2.0, 0.5, 0.1], [2.5, 0.7, 0.3], [2.2, 0.6, 0.2]])
    fast = trials.Trial("adam", 0.01, losses, np.array([0.9, 1.0, 0.8]), np.array([1.0, 3.0, 2.0]), losses[:, 2])
    slow = trials.Trial("sgd", 1.0, 10 * losses, np.array([0.5, 0.6, 0.7]), np.ones(3), np.array([0.05, 3, 3]))
    return tg.DataRace("a network", "some epochs", np.array([0.01, 0.1, 1, 10]), [slow, fast])


def test_the_table_has_medians_and_ranges_the_best_first_and_marks_the_edge_of_the_grid():
    title, conditions, _, first, second, note = str(two_rules()).splitlines()
    assert (title, conditions) == ("a network", "some epochs")
    assert " ".join(first.split()) == "adam 0.01* 0.2 0.1 to 0.3 90.0% 80.0% to 100.0% 1 1 to 2 2.00"
    assert " ".join(second.split()) == "sgd 1 2 1 to 3 60.0% 50.0% to 70.0% 2 1 to 2 1.00"
    assert "edge of the grid" in note
    assert "edge" not in str(two_rules()._replace(grid=np.array([1e-3, 10])))


def test_the_picture_has_a_panel_with_line_and_band_for_each_rule():
    pytest.importorskip("matplotlib")
    found = two_rules()
    seeds = np.linspace(1, 2, 11)[:, None]
    found = found._replace(runs=[run._replace(losses=run.losses[0] * seeds) for run in found.runs])
    panels = raceplots.loss_bands(found).axes
    assert [ax.get_title() for ax in panels] == ["adam  lr 0.01\ntest accuracy 90.0%", "sgd  lr 1\ntest accuracy 60.0%"]
    for ax, run in zip(panels, reversed(found.runs)):
        assert ax.get_yscale() == "log"
        *others, median, end = ax.lines
        np.testing.assert_array_equal(median.get_ydata(), np.median(run.losses, axis=0))
        assert end.get_marker() == raceplots.runner_style(run.rule)[1]
        assert len(others) == 2
        band = ax.collections[0].get_paths()[0].vertices[:, 1]
        assert (band.min(), band.max()) == (run.losses.min(), run.losses.max())


def test_a_loss_of_0_can_be_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    slow, fast = two_rules().runs
    fast.losses[:, 1:] = 0
    assert raceplots.loss_bands(two_rules()._replace(runs=[slow, fast]), tmp_path / "a.png").stat().st_size


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"optimizers": ["adamm"]}, "there is no rule 'adamm'; choose from sgd, "),
        ({"seeds": 0}, "seeds = 0"),
        ({"epochs": 0}, "epochs = 0"),
        ({"grid": []}, "the number of rates in the grid = 0"),
        ({"y": X[:, :1]}, "y holds N labels, N at least 1; got shapes"),
        ({"y": Y * 1.0}, "y of float64"),
        ({"X": X[:0], "y": Y[:0]}, "N at least 1"),
        ({"X": X[:-1]}, "one row for each sample"),
        ({"X": X * np.nan}, "every number has to be finite"),
        ({"y_test": Y_TEST + 7}, "label"),
    ],
)
def test_what_cannot_race_is_refused(wrong, said):
    given = {"X": X, "y": Y, "X_test": X_TEST, "y_test": Y_TEST, "optimizers": ["sgd"], "seeds": 1, "epochs": 1}
    with pytest.raises(ValueError, match=said):
        tg.race_on_data(**given | wrong)


def test_a_number_of_seeds_is_whole():
    with pytest.raises(TypeError, match="seeds is a whole number, at least 1, got float"):
        tg.race_on_data(*DATA, "sgd", seeds=1.5)


def test_what_diverged_is_null_in_json_and_infinite_in_the_table():
    X, y = tg.data.blobs(60, rng=0)
    found = tg.race_on_data(X.astype(np.float32), y, X.astype(np.float32), y, ["sgd"], seeds=2, epochs=2, grid=[1e30])
    assert found.figures()["sgd"]["loss"] is None
    assert "inf" in str(found)


def test_labels_and_rules_are_checked_before_anything_is_trained():
    X, y = tg.data.blobs(60, rng=0)
    with pytest.raises(ValueError, match="y_test has the label 3, y only 0 to 2"):
        tg.race_on_data(X, y, X, np.full(60, 3))
    with pytest.raises(ValueError, match="there is no rule to race"):
        tg.race_on_data(X, y, X, y, [])


def test_a_test_loss_that_is_no_number_is_the_last():
    """A rank counts how many losses are smaller, and none is smaller than NaN."""
    X, y = np.random.default_rng(0).standard_normal((20, 2)), np.arange(20) % 2
    data = X, y, X * 5e307, y
    assert trials._train("sgd", 0.1, "", 0, [2, 8, 8, 2], 1, None, data)["test"] == np.inf
