// What each pixel was given and when it moved, as numbers (see levels.py in the engine).

async function unpack(text, Kind) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Kind(await new Response(stream).arrayBuffer());
}

async function unpackValues(text, peak) {
  const numbers = await unpack(text, Int16Array);
  return Float32Array.from(numbers, (n) => Math.sign(n) * peak * (n / 32767) ** 2);
}

async function unpackTimes(text) {
  return Float32Array.from(await unpack(text, Uint16Array), (n) => n / 10);
}

// A map's ranks: 1 for the pixel that speaks most for the class; equals share the mean of their ranks.
function ranksOf(values) {
  const order = Uint32Array.from(values, (_, k) => k).sort((a, b) => values[b] - values[a]);
  const ranks = new Float32Array(values.length);
  for (let begin = 0; begin < order.length;) {
    let end = begin;
    while (end + 1 < order.length && values[order[end + 1]] === values[order[begin]]) end += 1;
    for (let k = begin; k <= end; k += 1) ranks[order[k]] = (begin + end) / 2 + 1;
    begin = end + 1;
  }
  return ranks;
}

function correlation(a, b) {
  const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;
  const ma = mean(a), mb = mean(b);
  let ab = 0, aa = 0, bb = 0;
  for (let k = 0; k < a.length; k += 1) {
    ab += (a[k] - ma) * (b[k] - mb);
    aa += (a[k] - ma) ** 2;
    bb += (b[k] - mb) ** 2;
  }
  return ab / Math.sqrt(aa * bb);
}

class Points {
  constructor(height, width, credit, when, even) {
    Object.assign(this, { height, width, credit, when, even });
    this.total = credit.length === 1 ? credit[0] : credit[0].map((_, k) => credit.reduce((sum, values) => sum + values[k], 0));
  }

  static async from({ size: [height, width], credit, peaks, when, even, copies = 1, agreement = "", firm = 1 }) {
    const points = new Points(height, width, await Promise.all(credit.map((text, d) => unpackValues(text, peaks[d]))), await Promise.all(when.map(unpackTimes)), even);
    return Object.assign(points, { copies, agreement: agreement ? await unpack(agreement, Uint8Array) : null, firm });
  }

  // Whether too many copies of the photo give a pixel credit of the other sign.
  doubts(k) {
    return this.agreement !== null && this.agreement[k] < 255 * this.firm - 0.5;
  }

  get ranks() {
    return (this.ranked ||= ranksOf(this.total));
  }

  // Whether pixels move at times of their own.
  get ordered() {
    return this.even.some((each) => !each);
  }

  // How early each pixel moved, mean of the directions in which pixels take turns: 1 first, 0 last.
  get early() {
    if (this.earliness) return this.earliness;
    const kept = this.when.filter((_, d) => !this.even[d]);
    const last = kept.map((times) => Math.max(2, times.reduce((a, b) => Math.max(a, b), 0)) - 1);
    this.earliness = kept[0].map((_, k) => kept.reduce((sum, times, d) => sum + (times[k] ? 1 - (times[k] - 1) / last[d] : 0.5), 0) / kept.length);
    return this.earliness;
  }
}

// Weights of a Gaussian of `sigma` pixels, cut at three of them.
function gaussian(sigma) {
  const reach = Math.ceil(3 * sigma);
  const weights = Float32Array.from({ length: 2 * reach + 1 }, (_, k) => Math.exp(-0.5 * ((k - reach) / sigma) ** 2));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((w) => w / sum);
}

// A map smoothed by a Gaussian; beyond the edges it is mirrored, as the engine does it.
function smoothed(values, width, height, sigma) {
  if (!(sigma > 0)) return values;
  const weights = gaussian(sigma), reach = (weights.length - 1) / 2;
  const mirror = (at, size) => {
    const turn = ((at % (2 * size)) + 2 * size) % (2 * size);
    return turn < size ? turn : 2 * size - 1 - turn;
  };
  const along = (from, size, other, step, stride) => {
    const to = new Float32Array(from.length);
    const places = Int32Array.from({ length: size + 2 * reach }, (_, k) => mirror(k - reach, size) * step);
    for (let line = 0; line < other; line += 1) {
      const begin = line * stride;
      for (let at = 0; at < size; at += 1) {
        let sum = 0;
        for (let k = 0; k < weights.length; k += 1) sum += weights[k] * from[begin + places[at + k]];
        to[begin + at * step] = sum;
      }
    }
    return to;
  };
  return along(along(values, width, height, 1, width), height, width, width, 1);
}
