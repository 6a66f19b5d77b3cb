// The walk between an image and its latent, as in ood_helpers/kernels: dy / dsigma = eps(x, t), with
//
//     sigma_t = sqrt((1 - a_t) / a_t),    y = x / sqrt(a_t),    a_t = alphasCumprod[t]
//
// A level is {t, sigma}. A rule (eps, y, here, there, memory) carries y to the next level and hands on a memory; it
// returns a promise of [y, memory], since eps(y, level) is one. States are Float32Array, all numbers else are double.
// A test runs these rules beside those of the package.

"use strict";

const Walk = (() => {
  const scale = (level) => 1 / Math.sqrt(1 + level.sigma ** 2);
  const logit = (a) => Math.log(a / (1 - a));

  // y + sum of factor * term, in single precision as in torch
  function combine(y, ...terms) {
    const out = Float32Array.from(y);
    for (const [factor, term] of terms) for (let i = 0; i < out.length; i++) out[i] += factor * term[i];
    return out;
  }

  // alphasCumprod at timesteps that may be fractional: log(a / (1 - a)) is interpolated; below 0 is the clean image
  function alphaAt(table, t) {
    if (t < 0) return 1;
    const below = Math.floor(t), share = t - below;
    if (share === 0) return table[below];
    return 1 / (1 + Math.exp(-((1 - share) * logit(table[below]) + share * logit(table[below + 1]))));
  }

  function levelAt(table, t) {
    const a = alphaAt(table, t);
    return { t, sigma: Math.sqrt((1 - a) / a) };
  }

  // halves go to the even neighbor, as numpy rounds
  function rounded(x) {
    const low = Math.floor(x);
    return x - low === 0.5 ? low + (low % 2) : Math.round(x);
  }

  function timesteps(table, t, steps, grid) {
    if (grid === "uniform") {
      return Array.from({ length: steps + 1 }, (_, i) => rounded((i * (t + 1)) / steps) - 1);
    }
    if (steps === 1) return [-1, t];
    // even steps in log sigma, between the integers' own levels
    const logs = table.slice(0, t + 1).map((a) => -0.5 * logit(a));
    const found = [-1];
    for (let i = 0, k = 0; i < steps; i++) {
      const wanted = logs[0] + (i * (logs[t] - logs[0])) / (steps - 1);
      while (k < t - 1 && logs[k + 1] < wanted) k++;
      found.push(t === 0 ? 0 : Math.min(t, k + (wanted - logs[k]) / (logs[k + 1] - logs[k])));
    }
    return found;
  }

  // from the image up to t; the way down is the same, reversed
  function levels(table, t, steps, solver = "ddim") {
    const grid = solver === "dpm2m" ? "log-snr" : "uniform";
    return timesteps(table, t, steps, grid).map((step) => levelAt(table, step));
  }

  // Euler's step
  async function ddim(eps, y, here, there) {
    return [combine(y, [there.sigma - here.sigma, await eps(y, here)]), null];
  }

  async function heun(eps, y, here, there) {
    const step = there.sigma - here.sigma, start = await eps(y, here);
    const end = await eps(combine(y, [step, start]), there);
    return [combine(y, [step / 2, start], [step / 2, end]), null];
  }

  // two steps' slopes, extrapolated; the first step is Heun's
  const twoStep = (ratio) => async (eps, y, here, there, memory) => {
    const step = there.sigma - here.sigma, slope = await eps(y, here);
    if (memory === null) {
      const end = await eps(combine(y, [step, slope]), there);
      return [combine(y, [step / 2, slope], [step / 2, end]), [slope, here]];
    }
    const [previous, before] = memory, half = ratio(before, here, there) / 2;
    return [combine(y, [step * (1 + half), slope], [-step * half, previous]), [slope, here]];
  };
  const sigmaRatio = (before, here, there) => (there.sigma - here.sigma) / (here.sigma - before.sigma);
  const logRatio = (before, here, there) =>
    before.sigma === 0 || there.sigma === 0
      ? sigmaRatio(before, here, there)
      : Math.log(there.sigma / here.sigma) / Math.log(here.sigma / before.sigma);

  const RULES = { ddim, heun, ab2: twoStep(sigmaRatio), dpm2m: twoStep(logRatio) };

  // toward the image, with a share eta of fresh noise: noise() is a standard normal Float32Array
  const noisy = (eta, noise) => async (eps, y, here, there) => {
    const slope = await eps(y, here);
    const fresh = eta * there.sigma * Math.sqrt(Math.max(0, 1 - (there.sigma / here.sigma) ** 2));
    const kept = Math.sqrt(there.sigma ** 2 - fresh ** 2);
    const moved = combine(y, [kept - here.sigma, slope]);
    return [fresh ? combine(moved, [fresh, noise()]) : moved, null];
  };

  // Carry x through the levels; watch(x, predicted image, level, number of the step) sees every stop. A number of
  // evaluations: one a step, two for heun, one more for ab2 and dpm2m.
  async function walk(predict, x, path, rule, watch = () => {}) {
    let y = combine(new Float32Array(x.length), [1 / scale(path[0]), x]), memory = null, seen = null;
    const eps = async (state, level) => {
      const slope = await predict(combine(new Float32Array(x.length), [scale(level), state]), level.t);
      if (seen === null) seen = combine(state, [-level.sigma, slope]);
      return slope;
    };
    for (let i = 1; i < path.length; i++) {
      seen = null;
      [y, memory] = await rule(eps, y, path[i - 1], path[i], memory);
      x = combine(new Float32Array(x.length), [scale(path[i]), y]);
      await watch(x, seen, path[i], i);
    }
    return x;
  }

  // ---- between latents, as in ood_helpers/latents/samplers.py

  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const norm = (a) => Math.sqrt(dot(a, a));
  const zeros = (z) => new Float32Array(z.length);
  const lerp = (a, b, w) => combine(zeros(a), [1 - w, a], [w, b]);

  const between = (a, b) => Math.acos(Math.max(-1, Math.min(1, dot(a, b) / (norm(a) * norm(b))))); // an angle

  // along the arc between two directions, and linearly between two lengths
  function slerp(a, b, w) {
    const first = norm(a), second = norm(b), length = (1 - w) * first + w * second, turn = between(a, b);
    if (Math.sin(turn) < 1e-4) return combine(zeros(a), [((1 - w) * length) / first, a], [(w * length) / second, b]);
    const share = (part) => (length * Math.sin(part * turn)) / Math.sin(turn);
    return combine(zeros(a), [share(1 - w) / first, a], [share(w) / second, b]);
  }

  const mean = (cloud) => combine(zeros(cloud[0]), ...cloud.map((z) => [1 / cloud.length, z]));

  // A latent of the cloud and those nearest to it, combined about the mean: "centered" with neighbors and a share. The
  // weights of the others are normal draws; the length is that which independent latents would give.
  function centered(cloud, first, share, draws) {
    const center = mean(cloud), offsets = cloud.map((z) => combine(z, [-1, center]));
    const gaps = offsets.map((u) => norm(combine(u, [-1, offsets[first]])));
    gaps[first] = -1;
    const members = gaps.map((_, i) => i).sort((i, j) => gaps[i] - gaps[j]).slice(0, draws.length);
    const others = norm(draws.slice(1));
    const weights = members.map((_, i) => (i ? (Math.abs(draws[i]) * Math.sqrt(1 - share)) / others : Math.sqrt(share)));
    const sum = combine(zeros(center), ...members.map((member, i) => [weights[i], offsets[member]]));
    const wanted = Math.sqrt(members.reduce((s, member, i) => s + weights[i] ** 2 * dot(offsets[member], offsets[member]), 0));
    return combine(center, [wanted / norm(sum), sum]);
  }

  // ---- measures

  const error = (a, b) => a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / (2 * a.length); // on [0, 1]
  const radius = (z) => norm(z) / Math.sqrt(z.length); // in units of sqrt(d)
  const angle = (a, b) => (between(a, b) * 180) / Math.PI; // in degrees

  // correlation of a pixel with the one to its right, in an image of channels x side x side
  function neighbors(z, side) {
    const center = z.reduce((sum, value) => sum + value, 0) / z.length;
    let product = 0, pairs = 0, square = 0;
    for (let i = 0; i < z.length; i++) {
      square += (z[i] - center) ** 2;
      if (i % side < side - 1) [product, pairs] = [product + (z[i] - center) * (z[i + 1] - center), pairs + 1];
    }
    return product / pairs / (square / z.length);
  }

  // a stream of standard normal numbers (mulberry32, Box and Muller): the same seed, the same numbers
  function normals(seed) {
    let state = seed >>> 0;
    const uniform = () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let h = Math.imul(state ^ (state >>> 15), 1 | state);
      h = (h + Math.imul(h ^ (h >>> 7), 61 | h)) ^ h;
      return ((h ^ (h >>> 14)) >>> 0) / 2 ** 32;
    };
    const one = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
    return (n) => Float32Array.from({ length: n }, one);
  }

  return { RULES, scale, alphaAt, levels, noisy, walk, lerp, slerp, centered, error, radius, angle, neighbors, normals };
})();

globalThis.Walk = Walk; // for other scripts, and for the test
