// Backprop.
{
tabs.backprop = {
  ready() {},
  show() {},
  hide() {},
  state: () => ({}),
  restore() {},
};
}
