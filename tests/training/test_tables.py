"""Tables: what pandas reads and what the standard library reads is the same; the arrays are those that a loop over the
file's cells gives; what cannot be read is refused with its line and column."""

import bz2
import csv
import gzip
import lzma
import re
import sys

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.training import cells
from tinygrad_edu.training.cells import MISSING, NUMBER

PETS = """weight,indoors,colour,age,species
4.5,yes,black,3,cat
30,no,brown,5,dog
3.5,yes,white,12,cat
0.03,yes,white,1,mouse
25,no,black,8,dog
0.02,yes,brown,2,mouse
"""


@pytest.fixture(params=["pandas", "csv"])
def reader(request, monkeypatch):
    """Each test runs with pandas, and as where it is not installed."""
    if request.param == "pandas":
        pytest.importorskip("pandas")
    else:
        monkeypatch.setitem(sys.modules, "pandas", None)


@pytest.fixture
def file(tmp_path):
    """A function that writes text, or bytes, to a file and returns its path."""

    def write(text, name="pets.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.usefixtures("reader")
def test_a_table_is_what_a_loop_over_its_cells_gives(file):
    table = tg.data.csv(file(PETS), target="species")
    rows, colours = list(csv.DictReader(PETS.splitlines())), ("black", "brown", "white")
    expected = [
        [float(r["weight"]), r["indoors"] == "yes", *(r["colour"] == c for c in colours), int(r["age"])] for r in rows
    ]
    assert np.array_equal(table.X, np.array(expected, float))
    assert table.features == ["weight", "indoors", "colour=black", "colour=brown", "colour=white", "age"]
    assert table.classes == ["cat", "dog", "mouse"]
    assert [table.classes[i] for i in table.y] == [r["species"] for r in rows]
    assert table.X.dtype == float
    assert table.y.dtype == np.int64
    assert "target species: 3 classes: cat 2, dog 2, mouse 2" in repr(table)


SAME = {
    "semicolons": PETS.replace(",", ";"),
    "tabs": PETS.replace(",", "\t"),
    "windows": PETS.replace("\n", "\r\n"),
    "old mac": PETS.replace("\n", "\r"),
    "bom": b"\xef\xbb\xbf" + PETS.encode(),
    "utf-16": PETS.encode("utf-16"),
    "empty lines": "\n" + PETS.replace("\n", "\n\n"),
    "lines of spaces": PETS.replace("\n", "\n  \n"),
    "no line at the end": PETS.rstrip(),
    "quotes": "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in PETS.splitlines()),
    "spaces": PETS.replace(",", " , "),
}


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("kind", SAME)
def test_the_same_table_in_another_spelling_is_the_same(file, kind):
    expected, got = (tg.data.csv(file(text), target="species") for text in (PETS, SAME[kind]))
    assert got.features == expected.features
    assert got.classes == expected.classes
    assert np.array_equal(got.X, expected.X)
    assert np.array_equal(got.y, expected.y)


def test_pandas_and_the_standard_library_read_the_same_of_random_cells(file, monkeypatch):
    """Also where they take other things for numbers: inf, True, 0x1F, 1_000, 007, spaces, short rows."""
    pandas = pytest.importorskip("pandas")
    odd = ["1", "2.5", "-3e-5", "+7", "007", ".5", "5.", "1e400", "inf", "-Infinity", "nan", "NA", "?", "", " 4 ",
           "1_000", "0x1F", "True", "FALSE", "yes", "a b", "é", "1,5", "'", "١", "9007199254740993",
           "18446744073709551616", "1e", "-", "0.1", "123456.789e-3", "None", "null", "#N/A", "\xa0"]  # fmt: skip
    rng = np.random.default_rng(0)
    read = 0
    for _ in range(400):
        n, columns = rng.integers(1, 6), rng.integers(1, 4)
        some = [rng.choice(odd, size=rng.integers(1, 4)) for _ in range(columns)]
        rows = [",".join(rng.choice(some[i]) for i in range(columns - (rng.random() < 0.02))) for _ in range(n)]
        path = file("\n".join([",".join("abc"[:columns]), *rows]))
        results = []
        for module in (pandas, None):
            monkeypatch.setitem(sys.modules, "pandas", module)
            try:
                table = tg.data.csv(path, missing="mean")
                results.append((table.features, table.X.tolist(), table.encoder.features))
            except ValueError as error:
                results.append(str(error))
        assert results[0] == results[1], path.read_text()
        read += not isinstance(results[0], str)
    assert read > 100


def test_pandas_reads_plain_files(file, monkeypatch):
    pytest.importorskip("pandas")
    monkeypatch.setattr(cells, "_by_csv", None)
    assert len(tg.data.csv(file(PETS), target="species").X) == 6
    with pytest.raises(TypeError, match="NoneType"):
        tg.data.csv(file(SAME["quotes"]), target="species")


def test_numbers_are_read_to_the_last_bit(file):
    values = np.random.default_rng(0).standard_normal(300) * 10.0 ** np.arange(-150, 150)
    table = tg.data.csv(file("x,y\n" + "".join(f"{v!r},{-v!r}\n" for v in values.tolist())))
    assert np.array_equal(table.X, np.stack([values, -values], 1))


REFUSED = {  # the file, arguments, and what is said
    "an empty cell": (PETS.replace("5,dog", ",dog", 1), {}, "line 3, column 'age' is empty; mend the file, or say"),
    "two": (PETS.replace("5,dog", "?,dog", 1).replace("12", "NA"), {}, "is empty, and 1 more row has an"),
    "an empty target": (PETS.replace(",cat", ","), {"missing": "mean"}, "'species', the target, is empty"),
    "a word among numbers": (PETS.replace("12", "old"), {}, "line 4, column 'age' is 'old', but 5 cells of"),
    "an empty column": ("a,b,species\n1,,x\n2,,y\n", {"missing": "mean"}, "column 'b' is empty; leave it out with"),
    "dates": ("a,species\n2024-01-02,x\n2024-01-03,y\n", {}, "line 2, column 'a' is '2024-01-02', a date;"),
    "german dates": ("a,species\n1.2.2024,x\n31.12.2024,y\n", {}, "column 'a' is '1.2.2024', a date"),
    "dates with times": ("a,species\n2024-01-02 12:00,x\n2024-01-03T01:00,y\n", {}, "a date; make a number"),
    "thousands": ('a,species\n"1,234",x\n"5,678.5",y\n', {}, "is '1,234', a number with a comma or with thousands"),
    "decimal commas": ("a;species\n1,5;x\n2,25;y\n", {}, "is '1,5', a number with a comma or with thousands"),
    "huge": ("a,species\n123456789012345678,x\n2,y\n", {}, "is 123456789012345680, more than a float can count"),
    "too large": ("a,species\n1,x\n1e999,y\n", {}, "line 3, column 'a' is infinite, or too large for a float"),
    "infinity": ("a,species\n1,x\ninf,y\n", {}, "line 3, column 'a' is 'inf', but 1 cells of the column are numbers"),
    "too long": (PETS.replace("12", "1,2"), {}, "line 4 has 6 cells, but the table has 5 columns; cells are"),
    "too short": (PETS.replace("25,no,", "25,"), {}, "line 6 has 4 cells, but the table has 5 columns"),
    "twice": ("a,a,species\n1,2,x\n3,4,y\n", {}, "has two columns 'a'; rename one"),
    "no name": (",a,,species\n1,2,3,x\n", {}, "has columns without a name"),
    "no header": (PETS.partition("\n")[2], {}, "has no header: its first line holds the number 4.5; name"),
    "only a header": ("a,species\n", {}, "has no rows below the header"),
    "nothing": ("", {}, "is empty"),
    "nothing but lines": ("\n \n", {}, "is empty"),
    "no such target": (PETS, {"target": "breed"}, "has no column 'breed'; it has 'weight', 'indoors', 'co"),
    "only a target": ("species\nx\ny\n", {}, "has no column to learn from beside 'species'"),
    "one class": ("a,species\n1,x\n2,x\n", {}, "the target 'species' has one class, 'x'"),
    "one class of numbers": ("a,species\n1,2\n2,2\n", {}, "the target 'species' has one class, '2'"),
    "names": ("a,species\n" + "".join(f"n{i},{'xy'[i % 2]}\n" for i in range(12)), {}, "12 different words in 12"),
    "latin-1": ("a,species\n1,chat\n2,souris\n3,lièvre\n".encode("latin-1"), {}, "not utf-8: byte 0xe8 on line 4; fi"),
    "excel": (b"PK\x03\x04abc", {}, "is an Excel file or another archive: save it as CSV, or give pandas"),
    "a key": ("PK,t\n1,2.5\n", {}, "has no column 'species'; it has 'PK', 't'"),  # and no archive
    "gzip": (gzip.compress(PETS.encode()), {}, "is compressed, by gzip: unpack it, or give pandas.read_csv(path)"),
    "bzip2": (bz2.compress(PETS.encode()), {}, "is compressed, by bzip2"),
    "xz": (lzma.compress(PETS.encode()), {}, "is compressed, by xz"),
    "a dropped target": (PETS, {"drop": ["age", "species"]}, "'species' is the target, so that drop=['sp"),
    "zero": (b"a,species\n1,\0\n", {}, "is no text: it holds a zero byte on line 2"),
    "a quote without end": ('a,species\n1,"x\n2,y\n', {}, "unexpected end of data; look at its quotes"),
    "kinds": (PETS, {"kinds": {"age": "word"}}, "a column is 'number', 'words', 'yes/no', not 'word'"),
    "kinds of whom": (PETS, {"kinds": {"height": "words"}}, "has no column 'height'"),
    "words as numbers": (PETS, {"kinds": {"colour": "number"}}, "'colour' is 'black', but 0 cells of"),
    "missing": (PETS, {"missing": "zero"}, "missing = 'zero', but it has to be 'refuse', 'drop', 'mean', 'median'"),
    "none left": ("a,b,species\n1,,x\n,2,y\n", {"missing": "drop"}, "each row has an empty cell"),
    "delimiter": (PETS, {"delimiter": ", "}, "delimiter = ', ', but it has to be one character"),
    "encoding": (PETS, {"encoding": "utf-9"}, "there is no encoding 'utf-9'"),
    "header": (PETS, {"header": ["a", "b"]}, "header has 2 names, but"),
}  # fmt: skip


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused_by_name(file, case):
    text, arguments, said = REFUSED[case]
    with pytest.raises(ValueError) as error:  # noqa: PT011, the message is looked at below
        tg.data.csv(file(text), **{"target": "species", **arguments})
    assert said in str(error.value)


def test_a_column_without_a_name_is_left_out_or_named(file):
    """The row numbers that a DataFrame's to_csv writes are no feature: they say in which order the rows lie."""
    path = file(",age,species\n0,3,x\n1,9,y\n2,4,x\n")
    with pytest.raises(ValueError, match=r"column 1 has no name, as that of row numbers .* leave it out with drop="):
        tg.data.csv(path, target="species")
    assert tg.data.csv(path, target="species", drop=[""]).features == ["age"]
    assert tg.data.csv(path, target="species", kinds={"": "number"}).features == ["", "age"]
    with pytest.raises(TypeError, match=r"split got an unexpected keyword argument 'random_state'; rng=, not"):
        tg.data.csv(path, drop=[""], target="species").split(random_state=0)


def test_arguments_of_another_kind_are_refused(file):
    for arguments, said in (
        ({"drop": "age"}, r"drop is a list of names, got str 'age'; say drop=\['age'\]"),
        ({"target": 3}, "target is the name of a column, got int 3"),
        ({"drop": 3}, "drop is a list of names, got int 3"),
        ({"kinds": ["age"]}, "kinds is a dict"),
        ({"header": "abcde"}, "header is a list of names, got str 'abcde'"),
        ({"label": "species"}, "csv got an unexpected keyword argument 'label'"),
    ):
        with pytest.raises(TypeError, match=said):
            tg.data.csv(file(PETS), **arguments)
    with pytest.raises(TypeError, match="path is a path"):
        tg.data.csv(7)
    with pytest.raises(FileNotFoundError):
        tg.data.csv("nowhere.csv")


# --- empty cells ------------------------------------------------------------------------------------------------------

HOLES = "a,b,c,species\n1,red,yes,x\n?,red,no,y\n7,,NaN,x\n10,blue,yes,y\nnull,red,yes,x\n"


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize(("way", "middle"), [("mean", np.mean), ("median", np.median)])
def test_empty_cells_are_filled_with_the_middle_of_their_column(file, way, middle):
    table = tg.data.csv(file(HOLES), target="species", missing=way)
    assert table.X[:, 0].tolist() == [1, middle([1, 7, 10]), 7, 10, middle([1, 7, 10])]
    assert table.X[2, 1:].tolist() == [middle([0, 0, 1, 0]), middle([1, 1, 0, 1]), middle([1, 0, 1, 1])]
    assert f"empty cells: 4, filled with the {way}" in repr(table)


@pytest.mark.usefixtures("reader")
def test_rows_with_empty_cells_are_dropped(file):
    table = tg.data.csv(file(HOLES), target="species", missing="drop")
    assert table.X.tolist() == [[1, 0, 1, 1], [10, 1, 0, 1]]
    assert table.y.tolist() == [0, 1]
    assert "rows with empty cells left out: 3" in repr(table)


def test_fills_and_scales_are_those_of_the_training_rows_alone(file):
    rng = np.random.default_rng(0)
    cells = [f"{x:.3f}" if rng.random() < 0.8 else "" for x in 50 + 20 * rng.standard_normal(200)]
    text = "a,b,t\n" + "".join(f"{cell},{i % 7},{i / 3}\n" for i, cell in enumerate(cells))
    table = tg.data.csv(file(text), target="t", missing="median")
    train, test = table.split(0.25, rng=1)
    assert (len(train.X), len(test.X)) == (150, 50)

    row = {t: i for i, t in enumerate(table.y[:, 0])}
    rows = [[row[t] for t in np.round(part.encoder.decode(part.y)[:, 0] * 3) / 3] for part in (train, test)]
    assert sorted(rows[0] + rows[1]) == list(range(200))
    known = np.array([float(cell or "nan") for cell in cells])
    fill = np.nanmedian(known[rows[0]])
    filled = np.where(np.isnan(known), fill, known)
    mean, deviation = filled[rows[0]].mean(), filled[rows[0]].std()
    for part, mine in zip((train, test), rows):
        assert np.allclose(part.X[:, 0], (filled[mine] - mean) / deviation)
    assert np.isclose(train.y.mean(), 0)
    assert np.isclose(train.y.std(), 1)


def test_a_split_of_words_has_the_same_share_of_each_class_and_leaves_words_as_they_are(file):
    text = "a,colour,t\n" + "".join(
        f"{i},{'red' if i % 3 else 'blue'},{'rare' if i % 10 == 0 else 'common'}\n" for i in range(200)
    )
    train, test = tg.data.csv(file(text), target="t").split(0.2, rng=0)
    assert [np.bincount(part.y).tolist() for part in (train, test)] == [[144, 16], [36, 4]]
    assert set(np.unique(train.X[:, 1:])) == {0, 1}
    plain, _ = tg.data.csv(file(text), target="t").split(0.2, rng=0, standardize=False)
    assert np.array_equal(plain.X, plain.raw)


# --- targets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "classes"),
    [
        (["0", "1"] * 3, ["0", "1"]),
        (["3.0", "5", "7"] * 5, ["3", "5", "7"]),
        (["10", "9", "8"] * 5, ["8", "9", "10"]),  # in the order of the numbers
        (["1", "2", "3"] * 4, None),  # too few of each
        (["1", "2.5", "3"] * 9, None),  # not whole
        ([str(i) for i in range(30)] * 9, None),  # too many
        (["no", "Yes", "yes", "Yes"] * 2, ["no", "Yes"]),  # the most frequent spelling
        (["True", "False"] * 2, ["False", "True"]),
        (["T", "F"] * 2, ["F", "T"]),
    ],
)
@pytest.mark.usefixtures("reader")
def test_a_target_is_labels_or_a_number(file, cells, classes):
    table = tg.data.csv(file("a,t\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells))), target="t")
    assert table.classes == classes
    if classes is None:
        assert np.array_equal(table.y, np.array(cells, float)[:, None])
        assert "a regression" in repr(table)
    elif classes[0].isdigit():
        assert np.array_equal(np.array(classes, float)[table.y], np.array(cells, float))
        assert "kinds={'t': \"number\"} makes a regression of it" in repr(table)


def test_yes_and_no_of_a_frame_keep_their_spelling_in_answers_and_states(file):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": range(6), "paid": [True, False, True] * 2})
    encoder = tg.data.csv(frame, target="paid").encoder
    again = tg.data.Encoder()
    again.load_state_dict(encoder.state_dict())
    assert again.decode(np.eye(2)).tolist() == ["False", "True"]
    assert again.encode(file("a,paid\n1,TRUE\n2,false\n")).y.tolist() == [1, 0]  # in any case of the letters
    old = encoder.state_dict()
    old["target"] = ["paid", "yes/no", ["false", "true"]]  # as 0.2 wrote it before
    again.load_state_dict(old)
    assert again.encode(frame).y.tolist() == [1, 0, 1] * 2


def test_a_target_that_is_none_is_not_to_be_dropped(file):
    for target in ([f"n{i}" for i in range(160)], ["2024-01-02", "2024-01-03"] * 2, ["", ""], [f"{2**60}", "1"]):
        text = "a,id\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(target))
        with pytest.raises(ValueError, match="choose another target") as error:
            tg.data.csv(file(text), target="id", missing="mean")
        assert "drop=" not in str(error.value)


def test_an_encoder_that_has_learned_nothing_says_so(file):
    for use in (lambda e: e.encode(file(PETS)), lambda e: e.decode(np.eye(3))):
        with pytest.raises(ValueError, match=r"this Encoder has learned no columns yet: tg\.data\.csv"):
            use(tg.data.Encoder())


def test_outputs_that_are_no_numbers_are_no_answers(file):
    for target in ("species", "weight"):
        encoder = tg.data.csv(file(PETS), target=target, kinds={"weight": "number"}).encoder
        output = np.full((2, 3 if target == "species" else 1), 1.0)
        output[1, 0] = np.nan
        with pytest.raises(ValueError, match=r"output holds nan at \[1, 0\]"):
            encoder.decode(output)


def test_a_blank_name_is_seen_in_an_error(file):
    encoder = tg.data.csv(file("city,x,t\na,1,u\nb,2,v\n"), target="t").encoder
    with pytest.raises(ValueError, match="has no column 'city'; it has '', 'x', 'z'"):
        encoder.encode(file(",x,z\n1,2,3\n", "other.csv"))


def test_a_table_of_many_columns_prints_forty(file):
    names = [f"c{i}" for i in range(50)]
    lines = repr(tg.data.csv(file(",".join(names) + "\n" + ("1," * 49 + "2\n") * 2))).splitlines()
    assert (lines[40].split()[0], lines[41]) == ("c39", "  ... and 10 more")


@pytest.mark.usefixtures("reader")
def test_the_user_says_what_a_column_is(file):
    text = "zip,rating,on,t\n01234,1,t,5\n00501,2,f,6\n01234,1,t,5\n"
    table = tg.data.csv(file(text), target="t", kinds={"zip": "words", "rating": "words", "t": "number"})
    assert table.features == ["zip=00501", "zip=01234", "rating=1", "rating=2", "on"]
    assert table.X[0].tolist() == [0, 1, 1, 0, 1]
    assert table.y.tolist() == [[5], [6], [5]]
    assert tg.data.csv(file(text), target="t", drop=["zip"]).features == ["rating", "on"]
    words = tg.data.csv(file(text), kinds={"on": "words"})
    assert words.features[-3:] == ["on=f", "on=t", "t"]
    assert words.y is None


def test_a_frame_of_pandas_is_a_table_too(file):
    pandas = pytest.importorskip("pandas")
    expected = tg.data.csv(file(PETS), target="species")
    frame = pandas.read_csv(file(PETS))
    for same in (frame, frame.astype({"species": "category", "indoors": object}), frame.convert_dtypes()):
        table = tg.data.csv(same, target="species")
        assert np.array_equal(table.X, expected.X)
        assert np.array_equal(table.y, expected.y)
    frame = pandas.read_csv(file(PETS.replace("5,dog", ",dog", 1)))
    with pytest.raises(ValueError, match="row 1, column 'age' is empty"):
        tg.data.csv(frame, target="species")
    with pytest.raises(ValueError, match="no rows"):
        tg.data.csv(frame[:0], target="species")
    with pytest.raises(ValueError, match="two columns 'age'"):
        tg.data.csv(frame[["age", "age"]])


# --- the encoder ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("reader")
def test_another_file_is_encoded_as_the_first(file, tmp_path):
    table = tg.data.csv(file(PETS), target="species", missing="mean", drop=["age"])
    train, _ = table.split(0.34, rng=0)
    encoder = tg.data.Encoder()
    encoder.load_state_dict(train.encoder.state_dict())
    other = "species,colour,weight,indoors,age\ndog,white,2,yes,1\nmouse,,,no,\n"  # in another order
    got = encoder.encode(file(other, "other.csv"))
    scale, fill = train.encoder.scale, train.encoder.fill
    assert got.y.tolist() == [1, 2]
    assert np.allclose(got.X, scale([[2, 1, 0, 0, 1], [fill[0], 0, *fill[2:]]]))
    assert encoder.encode(file("weight,indoors,colour\n1,no,white\n", "c.csv")).y is None
    assert encoder.decode(np.eye(3)[[2, 0]]).tolist() == ["mouse", "cat"]
    assert encoder.decode(tg.Tensor([[0.0, 1.0, 0.5]])).tolist() == ["dog"]
    assert encoder.decode(np.array([1])).tolist() == ["dog"]

    for text, said in (
        (
            PETS.replace("white", "green"),
            "line 4, column 'colour': 'green' is none of the known words, black, brown, wh",
        ),
        (PETS.replace("mouse", "rat"), "line 5, column 'species': 'rat' is none of the known words, cat, dog, mouse"),
        (PETS.replace("indoors", "inside"), "has no column 'indoors'; it has 'weight', 'inside', 'colour'"),
        (PETS.replace("age", "years"), "has a column 'years', which the first table had not"),
        (
            PETS.replace("30", "heavy"),
            "line 3, column 'weight': 'heavy' is no number, as the others of this column are",
        ),
        (PETS.replace("no,", "maybe,"), "line 3, column 'indoors': 'maybe' is none of the known words, no, yes"),
    ):
        with pytest.raises(ValueError) as error:  # noqa: PT011
            encoder.encode(file(text, "other.csv"))
        assert said in str(error.value)


def test_an_encoder_refuses_a_state_that_is_none(file):
    encoder = tg.data.csv(file(PETS), target="species").split(0.34, rng=0)[0].encoder
    good = encoder.state_dict()
    for change in (
        {"features": None}, {"features": [["a", "number"]]}, {"features": [["a", "bits", []]]}, {"fill": "x"},
        {"features": [[1, "number", []]]}, {"fill": [1.0]}, {"missing": "never"}, {"missing": []}, {"reading": {}},
        {"target": ["a", "words", [1]]}, {"scale": {"mean": [1.0], "deviation": [1.0]}}, {"scale": 3},
        {"scale": {"mean": good["fill"]}},
    ):  # fmt: skip
        other = tg.data.Encoder()
        with pytest.raises(ValueError, match="this state is none of an Encoder"):
            other.load_state_dict(good | change)
        assert other.features == []
    with pytest.raises(TypeError, match="state is what"):
        encoder.load_state_dict(None)


def test_a_regression_is_decoded_in_its_unit(file):
    text = "a,price\n" + "".join(f"{i},{200_000 + 13 * i}\n" for i in range(50))
    train, test = tg.data.csv(file(text), target="price").split(0.2, rng=0)
    prices = np.concatenate([part.encoder.decode(part.y) for part in (train, test)])
    assert np.allclose(np.sort(prices[:, 0]), 200_000 + 13 * np.arange(50))
    again, _ = train.split(0.5, rng=0, standardize=False)  # a part of a part
    assert np.all(again.y >= 199_999)


# --- standardize ------------------------------------------------------------------------------------------------------


def test_standardize_is_the_standard_scaler_of_scikit_learn():
    scaler = pytest.importorskip("sklearn.preprocessing").StandardScaler()
    rng = np.random.default_rng(0)
    X, other = rng.standard_normal((40, 3)) * [1, 1e6, 1e-6] + [0, 1e6, 3], rng.standard_normal((9, 3))
    X[:, 0] = 0.1  # a constant
    scale = tg.data.Standardize(X)
    assert np.allclose(scale(X), scaler.fit_transform(X), atol=1e-12)
    assert np.allclose(scale(other), scaler.transform(other))
    assert np.allclose(scale.back(scale(other)), other)
    assert scale.constant == [0]
    assert "constant: 0" in repr(scale)


def test_a_scale_is_saved_and_keeps_the_precision_of_what_it_scales():
    X = np.arange(12.0).reshape(4, 3)
    scale, other = tg.data.Standardize(X), tg.data.Standardize()
    assert repr(other) == "Standardize()"
    other.load_state_dict(scale.state_dict())
    assert np.array_equal(other(X), scale(X))
    assert other(X.astype(np.float32)).dtype == np.float32
    assert other(X.astype(int)).dtype == float
    for state in (
        {},
        {"mean": [1.0], "deviation": [-1.0]},
        {"mean": [np.nan], "deviation": [1.0]},
        {"mean": 3, "deviation": 2},
    ):
        with pytest.raises(ValueError, match="state"):
            tg.data.Standardize().load_state_dict(state)


@pytest.mark.parametrize(
    ("X", "said"),
    [
        (np.zeros(3), r"takes a table \(N, D\), got the shape \(3,\)"),
        (np.zeros((0, 3)), "no samples"),
        ([[1.0, np.nan]], "X holds nan at row 0, column 1"),
        ([["a"]], "X holds str 'a' at row 0, column 0"),
        ([[1.0, 1e300], [2.0, -1e300]], "Standardize: column 1 is too large to scale"),
        (np.full((4, 1), 1.7e308), "column 0 is too large"),
    ],
)
def test_standardize_refuses_what_has_no_mean(X, said):
    with pytest.raises((ValueError, TypeError), match=said):
        tg.data.Standardize(X)


def test_a_scale_refuses_other_columns():
    with pytest.raises(ValueError, match="X has 2 columns, but the scale was learned from 3"):
        tg.data.Standardize(np.eye(3))(np.eye(2))


def test_what_a_scale_makes_is_finite_or_refused():
    scale = tg.data.Standardize([[1e-9], [-1e-9]])
    with pytest.raises(ValueError, match="X: column 0 is too large to scale"):
        scale([[1e300]])
    with pytest.raises(ValueError, match="column 0 is too large"):
        tg.data.Standardize([[1e30], [-1e30]]).back(np.float32([[1e30]]))


def test_the_words_for_empty_cells_are_no_numbers():
    assert not any(NUMBER.fullmatch(word) for word in MISSING)


def test_what_a_table_cannot_do_is_said(file):
    table = tg.data.csv(file("a,b,t\n1,7,x\n2,7,y\n3,7,x\n4,7,y\n"), target="t")
    assert "the number 7 in each row: nothing is learned from it" in repr(table)
    for output in (np.eye(3), np.array([2]), np.array([0.5])):
        with pytest.raises(
            ValueError, match=r"output is a score for each of 2 classes, \(N, 2\), or class numbers from 0 to 1"
        ):
            table.encoder.decode(output)
    alone = tg.data.csv(file("a,b\n1,2\n3,4\n"))
    assert alone.classes is None
    for use in (alone.split, lambda: alone.encoder.decode([[1.0]])):
        with pytest.raises(ValueError, match="has no target"):
            use()
    holes = tg.data.csv(file("a,b,t\n" + "1,,x\n2,,y\n" * 9 + "3,5,x\n"), target="t", missing="mean")
    with pytest.raises(ValueError, match=r"column 'b' is empty, so nothing fills it: drop=\['b'\]"):
        [holes.split(0.5, rng=seed) for seed in range(9)]


@pytest.mark.usefixtures("reader")
def test_a_target_column_that_is_empty_is_to_be_predicted(file):
    encoder = tg.data.csv(file(PETS), target="species").encoder
    asked = re.sub(r"(?<=,)(?!species)[a-z]+$", "?", PETS, flags=re.MULTILINE)
    assert encoder.encode(file(asked)).y is None
    with pytest.raises(ValueError, match="the target, is empty"):
        encoder.encode(file(PETS.replace(",cat", ",")))
