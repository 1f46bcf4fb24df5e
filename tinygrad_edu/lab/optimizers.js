// Optimizers.
{
tabs.optimizers = {
  ready() {},
  show() {},
  hide() {},
  state: () => ({}),
  restore() {},
};
}
