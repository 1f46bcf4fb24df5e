// NumPy's default_rng: a seed gives here the numbers that it gives in Python, so that a script can do a run again.
class Rng {
  // seed : a whole number from 0 to 2³² - 1. SeedSequence makes 256 bits of it, and these begin a PCG64
  constructor(seed) {
    const words = Rng.words(seed), long = (i) => BigInt(words[i]) | (BigInt(words[i + 1]) << 32n);
    const wide = (i) => (long(i) << 64n) | long(i + 2);
    Object.assign(this, { state: 0n, inc: BigInt.asUintN(128, (wide(4) << 1n) | 1n), kept: null });
    this.bits64();
    this.state = BigInt.asUintN(128, this.state + wide(0));
    this.bits64();
  }
  static words(seed) {
    let mixed = 0x43b0d7e5, made = 0x8b51f9dd;
    const folded = (x) => (x ^ (x >>> 16)) >>> 0;
    const hashed = (x) => {
      x ^= mixed;
      mixed = Math.imul(mixed, 0x931e8875);
      return folded(Math.imul(x, mixed));
    };
    const pool = [seed, 0, 0, 0].map(hashed);
    for (let from = 0; from < 4; from++)
      for (let to = 0; to < 4; to++)
        if (from !== to)
          pool[to] = folded(Math.imul(0xca01f9dd, pool[to]) - Math.imul(0x4973f715, hashed(pool[from])));
    return Array.from({ length: 8 }, (_, i) => {
      const x = pool[i % 4] ^ made;
      made = Math.imul(made, 0x58f38ded);
      return folded(Math.imul(x, made));
    });
  }
  bits64() {
    const { state } = this;
    this.state = BigInt.asUintN(128, state * 0x2360ed051fc65da44385df649fccf645n + this.inc);
    const mixed = BigInt.asUintN(64, (this.state >> 64n) ^ this.state), turn = this.state >> 122n;
    return BigInt.asUintN(64, (mixed >> turn) | (mixed << (64n - turn)));
  }
  bits32() {
    const { kept } = this, bits = kept ?? this.bits64();
    this.kept = kept === null ? bits >> 32n : null; // the upper half is for the next time
    return Number(bits & 0xffffffffn);
  }
  random() {
    return Number(this.bits64() >> 11n) / 2 ** 53;
  }
  uniform(low, high) {
    return low + (high - low) * this.random();
  }
  // the ziggurat of Marsaglia & Tsang 2000 in NumPy's 256 layers; facts.widths are theirs, over 2⁵²
  normal() {
    const wide = facts.widths;
    for (;;) {
      const bits = this.bits64(), i = Number(bits & 255n), part = Number((bits >> 9n) & 0xfffffffffffffn);
      const x = part * wide[i] * (bits & 256n ? -1 : 1), below = i === 1 ? 0 : wide[i ? i - 1 : 255];
      if (part < Math.floor((below / wide[i]) * 2 ** 52)) return x;
      if (i === 0) return this.tail(Math.floor(part / 256) % 2 ? -1 : 1);
      const height = (j) => (j ? Math.exp(-((wide[j] * 2 ** 52) ** 2) / 2) : 1);
      if ((height(i - 1) - height(i)) * this.random() + height(i) < Math.exp(-(x * x) / 2)) return x;
    }
  }
  tail(sign) {
    const edge = facts.widths[255] * 2 ** 52;
    for (;;) {
      const x = -Math.log1p(-this.random()) / edge, y = -Math.log1p(-this.random());
      if (y + y > x * x) return sign * (edge + x);
    }
  }
  // a list in another order: each place from the last on changes with one before it, or with itself
  permuted(list) {
    const out = [...list];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.upto(i);
      [out[i], out[j]] = [out[j], out[i]];
    }
    return out;
  }
  permutation(n) {
    return this.permuted(Array.from({ length: n }, (_, i) => i));
  }
  // a whole number from 0 to most, each with the same chance: of as many bits as most has, drawn until it is no larger
  upto(most) {
    const mask = 2 ** (32 - Math.clz32(most)) - 1;
    for (;;) {
      const drawn = (this.bits32() & mask) >>> 0;
      if (drawn <= most) return drawn;
    }
  }
}
