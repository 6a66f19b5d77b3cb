// The panels that run a frozen model in the page. Nothing is loaded before a reader presses Start; then come scripts,
// each with a piece of a file in it (gzip, base64), for that is what a page may load also where no server is.
//
// The page has <div class="laboratory" data-panel="walk">, "noise" or "between", with a still picture in it, which is
// what remains where the browser cannot run the model. walk.js has the mathematics.

"use strict";

const Laboratory = (() => {
  const HERE = new URL(".", document.currentScript.src).href;
  const SIDE = 64, SIZE = 3 * SIDE * SIDE;

  // ---- loading

  const assets = {}; // filled by assets.js: files, models, pictures, clouds
  const pieces = {}; // base64, until they are put together
  const files = new Map(); // name -> promise of bytes
  const part = (name, number, text) => ((pieces[name] ??= [])[number] = text);

  function script(address) {
    return new Promise((resolve, reject) => {
      const tag = document.createElement("script");
      tag.src = address;
      tag.onload = () => (tag.remove(), resolve());
      tag.onerror = () => (tag.remove(), reject(new Error(`${address} could not be loaded`)));
      document.head.append(tag);
    });
  }

  function bytesOf(text) {
    const binary = atob(text), bytes = new Uint8Array(binary.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
  }

  async function assembled(name, told) {
    for (let i = 0; i < assets.files[name].parts; i++) {
      await script(`${HERE}${name}.${i}.js`);
      told(pieces[name][i].length);
    }
    const packed = new Blob(pieces[name].map(bytesOf));
    delete pieces[name];
    return new Uint8Array(await new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
  }

  // the bytes of a file, loaded once; a failure can be tried again
  function file(name, told = () => {}) {
    if (!files.has(name)) files.set(name, assembled(name, told).catch((error) => (files.delete(name), Promise.reject(error))));
    return files.get(name);
  }

  const once = new Map();
  function shared(key, make) {
    if (!once.has(key)) once.set(key, make().catch((error) => (once.delete(key), Promise.reject(error))));
    return once.get(key);
  }

  // what runs networks, by where they run; the first Start decides for the whole page
  const PROGRAMS = { wasm: ["ort", "glue", "wasm"], webgpu: ["ort-gpu", "glue-gpu", "wasm-gpu"] };
  let device = null;
  const use = (name) => (device ??= name);

  const runtime = (told) =>
    shared("runtime", async () => {
      const loaded = [];
      for (const name of PROGRAMS[device]) loaded.push(await file(name, told));
      const [program, glue, machine] = loaded;
      const address = (bytes) => URL.createObjectURL(new Blob([bytes], { type: "text/javascript" }));
      await script(address(program));
      Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary: machine.buffer, wasmPaths: { mjs: address(glue) } });
      ort.env.logLevel = "error";
      PROGRAMS[device].forEach((name) => files.delete(name)); // what has been handed over is not kept twice
    });

  // a network as a function of Float32Arrays; all panels of a page share it
  const session = (name, told) =>
    shared(`session ${name}`, async () => {
      await runtime(told);
      const made = await ort.InferenceSession.create(await file(name, told), { executionProviders: [device] });
      files.delete(name);
      ort.env.wasm.wasmBinary = undefined; // compiled by now
      return async (inputs) => {
        const feeds = {};
        for (const [key, [data, dims]] of Object.entries(inputs)) feeds[key] = new ort.Tensor("float32", data, dims);
        const found = Object.values(await made.run(feeds))[0], data = found.data;
        found.dispose();
        return data;
      };
    });

  async function predictor(name, told) {
    const run = await session(name, told);
    const predict = async (x, t) => {
      const start = performance.now();
      const eps = await run({ x: [x, [1, 3, SIDE, SIDE]], t: [Float32Array.of(Math.max(0, t)), [1]] });
      spent.evaluations += 1;
      spent.milliseconds += performance.now() - start;
      return eps;
    };
    return { name, predict, table: assets.models[name].alphas };
  }
  const spent = { evaluations: 0, milliseconds: 0 };

  async function judge(told) {
    const run = await session("domain-scorer", told);
    return async (image, own, other) => {
      const scores = await run({ images: [image.map((v) => Math.max(-1, Math.min(1, v))), [1, 3, SIDE, SIDE]] });
      const at = (domain) => scores[assets.judged.indexOf(domain)];
      return 1 / (1 + Math.exp(at(other) - at(own)));
    };
  }

  // picture i of a domain, channels x side x side in [-1, 1]
  async function picture(domain, i, told) {
    const bytes = await file("pictures", told), start = (assets.pictures[domain].first + i) * SIZE;
    return Float32Array.from(bytes.subarray(start, start + SIZE), (v) => v / 127.5 - 1);
  }

  // the latents of a domain's pictures, kept in half precision
  async function cloud(domain, told) {
    const halves = new Uint16Array((await file("latents", told)).buffer), { first, count } = assets.clouds[domain];
    return Array.from({ length: count }, (_, i) => Float32Array.from(halves.subarray((first + i) * SIZE, (first + i + 1) * SIZE), half));
  }

  function half(bits) {
    const exponent = (bits >> 10) & 31, fraction = bits & 1023, sign = bits >> 15 ? -1 : 1;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : fraction * 2 ** -24);
  }

  // ---- one run at a time: a newer one, of whatever panel, ends the one before it at its next evaluation

  class Stopped extends Error {}
  let newest = 0, queue = Promise.resolve();

  function run(panel, work) {
    const mine = ++newest;
    const going = () => {
      if (mine !== newest) throw new Stopped();
    };
    queue = queue.then(async () => {
      if (mine !== newest) return;
      panel.box.setAttribute("aria-busy", "true");
      panel.stop.disabled = false;
      try {
        await work(going);
      } catch (error) {
        if (error instanceof Stopped) panel.say("Stopped.");
        else panel.say(`This did not work: ${error.message}`);
      }
      panel.stop.disabled = true;
      panel.box.setAttribute("aria-busy", "false");
    });
    return queue;
  }

  const breath = () => new Promise((resolve) => setTimeout(resolve)); // for the browser to paint and to listen

  // ---- what panels are made of

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value === true) made.setAttribute(name, "");
      else if (value !== false) made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }

  const select = (label, options, change) => {
    const box = element("select", { onchange: change }, ...options.map((o) => element("option", { value: o }, String(o))));
    return { row: element("label", {}, `${label} `, box), get value() { return box.value; }, set value(v) { box.value = v; } };
  };

  const slider = (label, low, high, step, value, change) => {
    const told = element("output", {}, String(value));
    const show = () => (told.textContent = box.value);
    const box = element("input", { type: "range", min: low, max: high, step, value, oninput: show, onchange: change });
    return { row: element("label", {}, `${label} `, box, " ", told), get value() { return Number(box.value); }, set value(v) { box.value = v; show(); } };
  };

  const button = (label, click) => element("button", { type: "button", onclick: click }, label);

  function paint(canvas, image, gain = 1) {
    const pixels = new ImageData(SIDE, SIDE), plane = SIDE * SIDE;
    for (let i = 0; i < plane; i++) {
      for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = Math.round(127.5 * (1 + gain * image[c * plane + i]));
      pixels.data[4 * i + 3] = 255;
    }
    canvas.getContext("2d").putImageData(pixels, 0, 0);
  }

  // a picture with a caption, which is also what a screen reader says of it
  function frame(label) {
    const canvas = element("canvas", { width: SIDE, height: SIDE, role: "img", "aria-label": label });
    const words = element("figcaption", {}, label);
    const show = (image, told = label, gain = 1) => {
      paint(canvas, image, gain);
      words.textContent = told;
      canvas.setAttribute("aria-label", told);
    };
    return { row: element("figure", {}, canvas, words), canvas, show };
  }

  // small pictures to choose from
  function gallery(label, change) {
    const row = element("div", { class: "gallery", role: "group", "aria-label": label });
    const mark = (chosen) => [...row.children].forEach((one, i) => one.setAttribute("aria-pressed", String(i === chosen)));
    const made = { row, value: 0 };
    made.fill = async (domain, count, chosen, told) => {
      const images = await Promise.all(Array.from({ length: count }, (_, i) => picture(domain, i, told)));
      row.replaceChildren(...images.map((image, i) => {
        const canvas = element("canvas", { width: SIDE, height: SIDE });
        paint(canvas, image);
        const choose = () => (mark(i), (made.value = i), change());
        return element("button", { type: "button", "aria-label": `${domain} ${i + 1}`, onclick: choose }, canvas);
      }));
      mark((made.value = chosen));
    };
    made.enable = (able) => [...row.children].forEach((one) => (one.disabled = !able));
    return made;
  }

  // numbers beside what white noise would have
  function numbers(names) {
    const pairs = 3 * SIDE * (SIDE - 1), degrees = 180 / Math.PI / Math.sqrt(SIZE);
    const white = {
      radius: ["radius / √d", `1.000 ± ${(1 / Math.sqrt(2 * SIZE)).toFixed(3)}`, 3],
      neighbors: ["correlation of neighboring pixels", `0.000 ± ${(1 / Math.sqrt(pairs)).toFixed(3)}`, 3],
      angle: ["angle between the two latents, degrees", `90.0 ± ${degrees.toFixed(1)}`, 1],
    };
    const cells = {}, body = element("tbody");
    for (const name of names) {
      const [words, expected] = white[name];
      cells[name] = element("td", {}, "…");
      body.append(element("tr", {}, element("th", { scope: "row" }, words), cells[name], element("td", {}, expected)));
    }
    const heads = ["", "here", "white noise"].map((text) => element(text ? "th" : "td", text ? { scope: "col" } : {}, text));
    const show = (found) => {
      for (const [name, value] of Object.entries(found)) cells[name].textContent = value.toFixed(white[name][2]);
    };
    return { row: element("table", {}, element("thead", {}, element("tr", {}, ...heads)), body), show };
  }

  const of = (z) => ({ radius: Walk.radius(z), neighbors: Walk.neighbors(z, SIDE) });
  const line = (...parts) => element("div", { class: "line" }, ...parts.map((one) => one.row ?? one));
  const cost = () => `${spent.evaluations} evaluations, ${Math.round(spent.milliseconds / spent.evaluations)} ms each`;
  const reset = () => Object.assign(spent, { evaluations: 0, milliseconds: 0 });

  // noise is wider than a picture: it is shown with less contrast, the noisier the less
  const gain = (level) => 0.4 + 0.6 * Walk.scale(level);

  // a walk that is shown step by step
  async function shown(model, x, path, rule, going, panel, told, look) {
    return Walk.walk(model.predict, x, path, rule, async (state, seen, level, i) => {
      going();
      panel.now(`${told}: step ${i} of ${path.length - 1}`);
      await look(state, seen, level);
      await breath();
      going();
    });
  }

  // ---- the panels: each returns its parts, and what to do at Start

  // a picture of yours, up to its latent and down again
  function walkPanel(panel) {
    const again = () => panel.go(), models = Object.keys(assets.models);
    const model = select("model", models, again);
    const domain = select("pictures", Object.keys(assets.pictures), () => fresh(0));
    const choice = gallery("pictures to choose from", () => fresh(choice.value));
    const t = slider("height t", 100, 900, 100, 800, again), steps = slider("steps", 2, 40, 1, 12, again);
    const solver = select("solver", Object.keys(Walk.RULES), again);
    const easel = element("canvas", { width: 256, height: 256, class: "easel", role: "img", "aria-label": "your picture" });
    const pen = easel.getContext("2d", { willReadFrequently: true });
    const color = element("input", { type: "color", value: "#de8f05" }), width = slider("brush", 4, 60, 2, 24);
    const opened = element("input", { type: "file", accept: "image/*", onchange: () => open(opened.files[0]) });
    const walking = frame("walk"), back = frame("copy"), off = frame("error × 10"), table = numbers(["radius", "neighbors"]);
    let image = null;

    async function fresh(chosen) {
      await choice.fill(domain.value, assets.pictures[domain.value].count, chosen, panel.loaded);
      image = await picture(domain.value, chosen);
      const small = element("canvas", { width: SIDE, height: SIDE });
      paint(small, image);
      pen.imageSmoothingEnabled = false;
      pen.drawImage(small, 0, 0, 256, 256);
      again();
    }

    // what is on the easel, in 64 x 64 pixels
    function taken() {
      const small = element("canvas", { width: SIDE, height: SIDE }), to = small.getContext("2d");
      to.imageSmoothingQuality = "high";
      to.drawImage(easel, 0, 0, SIDE, SIDE);
      const { data } = to.getImageData(0, 0, SIDE, SIDE);
      image = Float32Array.from({ length: SIZE }, (_, i) => data[4 * (i % (SIDE * SIDE)) + Math.floor(i / (SIDE * SIDE))] / 127.5 - 1);
      again();
    }

    // the middle square of a photo; it is halved until it is small, so that no pixel of it is left out
    async function open(photo) {
      if (!photo) return;
      let from;
      try {
        from = await createImageBitmap(photo);
      } catch {
        return panel.say(`${photo.name} is no picture that this browser can read.`);
      }
      let side = Math.min(from.width, from.height);
      let place = [(from.width - side) / 2, (from.height - side) / 2];
      while (side > 512) {
        const next = element("canvas", { width: Math.round(side / 2), height: Math.round(side / 2) });
        next.getContext("2d").drawImage(from, ...place, side, side, 0, 0, next.width, next.width);
        [from, side, place] = [next, next.width, [0, 0]];
      }
      pen.imageSmoothingEnabled = true;
      pen.drawImage(from, ...place, side, side, 0, 0, 256, 256);
      taken();
    }

    const where = (event) => {
      const box = easel.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * 256, ((event.clientY - box.top) / box.height) * 256];
    };
    easel.addEventListener("pointerdown", (event) => {
      easel.setPointerCapture(event.pointerId);
      Object.assign(pen, { strokeStyle: color.value, lineWidth: width.value, lineCap: "round", lineJoin: "round" });
      pen.beginPath();
      pen.moveTo(...where(event));
      pen.lineTo(...where(event));
      pen.stroke();
    });
    easel.addEventListener("pointermove", (event) => {
      if (!event.buttons) return;
      pen.lineTo(...where(event));
      pen.stroke();
    });
    easel.addEventListener("pointerup", taken);
    easel.addEventListener("dragover", (event) => event.preventDefault());
    easel.addEventListener("drop", (event) => (event.preventDefault(), open(event.dataTransfer.files[0])));
    const clear = button("White canvas", () => {
      pen.fillStyle = "#fff";
      pen.fillRect(0, 0, 256, 256);
      taken();
    });

    solver.value = "dpm2m";
    domain.value = panel.box.dataset.domain;
    const drawing = element("figure", {}, easel, element("figcaption", {}, "your picture: draw on it, or drop one"));
    return {
      parts: [
        line(model, domain), choice.row, line(drawing, walking, back, off),
        line(element("label", {}, "color ", color), width, clear), line(element("label", {}, "a picture of yours ", opened)),
        line(t, steps, solver), table.row,
      ],
      start: () => fresh(0),
      work: async (going) => {
        const frozen = await predictor(model.value, panel.loaded), path = Walk.levels(frozen.table, t.value, steps.value, solver.value);
        const rule = Walk.RULES[solver.value];
        reset();
        const look = (x, seen, level) => (walking.show(x, "walking up", gain(level)), table.show(of(x)));
        const latent = await shown(frozen, image, path, rule, going, panel, "up", look);
        table.show(of(latent));
        walking.show(latent, `latent, t = ${t.value}`, gain(path.at(-1)));
        const down = (x, seen) => seen && back.show(seen, "copy, as guessed on the way");
        const copy = await shown(frozen, latent, path.slice().reverse(), rule, going, panel, "down", down);
        const error = Walk.error(copy.map((v) => Math.max(-1, Math.min(1, v))), image);
        back.show(copy, "copy");
        const plane = SIDE * SIDE, gap = (i) => [0, 1, 2].reduce((sum, c) => sum + Math.abs(copy[i + c * plane] - image[i + c * plane]), 0) / 3;
        off.show(copy.map((_, i) => 1 - 10 * gap(i % plane)), "error × 10, dark where it is large");
        panel.say(`Mean absolute error ${error.toFixed(4)} on the scale from 0 to 1. ${cost()}.`);
      },
    };
  }

  // the way down with fresh noise, and a judge
  function noisePanel(panel) {
    const again = () => panel.go(), own = "dog";
    const domain = select("pictures", assets.judged.filter((name) => name !== own && name in assets.pictures), () => fresh(0));
    const choice = gallery("pictures to choose from", again);
    const eta = slider("η, share of fresh noise", 0, 1, 0.05, 0.8, again);
    const t = slider("height t", 100, 900, 100, 800, again), steps = slider("steps", 4, 40, 1, 16, again);
    const solver = select("solver up", Object.keys(Walk.RULES), again);
    const image = frame("picture"), walking = frame("latent"), guess = frame("picture on the way down");
    const odds = element("meter", { min: 0, max: 1, value: 0, "aria-label": `odds of ${own}` }), words = element("span", {}, "…");
    const table = numbers(["radius", "neighbors"]), latents = new Map();
    let seed = 1;
    domain.value = panel.box.dataset.domain;
    const fresh = async (chosen) => (await choice.fill(domain.value, assets.pictures[domain.value].count, chosen, panel.loaded), again());
    return {
      parts: [
        line(domain), choice.row, line(eta, t, steps, solver, button("Other noise", () => (seed++, again()))),
        line(image, walking, guess), element("p", {}, `the judge's odds of a ${own}: `, odds, " ", words), table.row,
      ],
      start: () => fresh(0),
      work: async (going) => {
        const frozen = await predictor("toy-dog", panel.loaded), judged = await judge(panel.loaded), other = domain.value;
        const x = await picture(other, choice.value), path = Walk.levels(frozen.table, t.value, steps.value, solver.value);
        const key = [other, choice.value, t.value, steps.value, solver.value].join(" ");
        reset();
        image.show(x, `${other} ${choice.value + 1}`);
        if (!latents.has(key)) {
          const look = (state, seen, level) => (walking.show(state, "walking up", gain(level)), table.show(of(state)));
          latents.set(key, await shown(frozen, x, path, Walk.RULES[solver.value], going, panel, "up", look));
        }
        const latent = latents.get(key), draw = Walk.normals(seed);
        walking.show(latent, `latent, t = ${t.value}`, gain(path.at(-1)));
        table.show(of(latent));
        const down = eta.value ? Walk.levels(frozen.table, t.value, steps.value) : path;
        const rule = eta.value ? Walk.noisy(eta.value, () => draw(SIZE)) : Walk.RULES[solver.value];
        const weigh = async (seen, told) => {
          const share = await judged(seen, own, other);
          guess.show(seen, told);
          odds.value = share;
          words.textContent = `${Math.round(100 * share)} % ${own}, ${Math.round(100 * (1 - share))} % ${other}`;
          return share;
        };
        const look = (state, seen) => seen && weigh(seen, "picture, as guessed on the way");
        const copy = await shown(frozen, latent, down.slice().reverse(), rule, going, panel, "down", look);
        const share = await weigh(copy, "picture that came out");
        panel.say(`η = ${eta.value}: the judge says ${share > 0.5 ? own : other}. ${cost()}.`);
      },
    };
  }

  // a new latent between two, or among neighbors
  function betweenPanel(panel) {
    const again = () => panel.go();
    const domain = select("pictures", Object.keys(assets.clouds), () => fresh());
    const first = gallery("first parent", again), second = gallery("second parent", again);
    const way = select("way", ["arc", "line", "neighbors"], () => (second.enable(way.value !== "neighbors"), again()));
    const weight = slider("weight", 0, 1, 0.05, 0.5, again);
    const one = frame("first parent"), made = frame("new picture"), two = frame("second parent"), near = frame("nearest picture");
    const table = numbers(["radius", "neighbors", "angle"]);
    let seed = 1;
    const fresh = async () => {
      const { count } = assets.clouds[domain.value];
      await first.fill(domain.value, count, 0, panel.loaded);
      await second.fill(domain.value, count, 1, panel.loaded);
      second.enable(way.value !== "neighbors");
      again();
    };
    domain.value = panel.box.dataset.domain;
    return {
      parts: [
        line(domain, way, weight, button("Other neighbors", () => (seed++, again()))),
        element("p", {}, "First parent"), first.row, element("p", {}, "Second parent"), second.row,
        line(one, made, two, near), table.row,
      ],
      start: fresh,
      work: async (going) => {
        const frozen = await predictor("toy-dog", panel.loaded), latents = await cloud(domain.value, panel.loaded);
        const [a, b, w] = [first.value, second.value, weight.value];
        const pictures = await Promise.all(latents.map((_, i) => picture(domain.value, i)));
        const among = way.value === "neighbors";
        const z = among
          ? Walk.centered(latents, a, w, Walk.normals(seed)(6))
          : Walk[way.value === "arc" ? "slerp" : "lerp"](latents[a], latents[b], w);
        one.show(pictures[a], "first parent");
        two.show(pictures[b], among ? "not used" : "second parent");
        table.show({ ...of(z), angle: Walk.angle(latents[a], latents[b]) });
        reset();
        const path = Walk.levels(frozen.table, assets.height, 12, "dpm2m").reverse();
        const nearest = (image) => {
          const gaps = pictures.map((other) => Walk.error(image, other)), k = gaps.indexOf(Math.min(...gaps));
          near.show(pictures[k], `nearest picture: number ${k + 1}, ${gaps[k].toFixed(3)} away`);
          return k;
        };
        const look = (state, seen) => seen && made.show(seen, "new picture, as guessed on the way");
        const image = await shown(frozen, z, path, Walk.RULES.dpm2m, going, panel, "down", look);
        made.show(image, "new picture");
        const k = nearest(image), parent = k === a || (k === b && !among) ? "a parent" : "no parent";
        panel.say(`Nearest of ${pictures.length} pictures is number ${k + 1}, ${parent}. ${cost()}.`);
      },
    };
  }

  const PANELS = { walk: walkPanel, noise: noisePanel, between: betweenPanel };

  // ---- a box of the page becomes a panel

  const needed = { walk: ["pictures"], noise: ["pictures", "domain-scorer"], between: ["pictures", "latents"] };
  const weight = (kind) =>
    [...PROGRAMS[device], "toy-dog", ...needed[kind]].reduce((sum, name) => sum + assets.files[name].size, 0);

  function prepare(box) {
    const kind = box.dataset.panel;
    const status = element("p", { class: "status", role: "status" }), bar = element("progress", { max: 1, value: 0, "aria-label": "loaded" });
    const panel = { box, stop: button("Stop", () => newest++) };
    panel.say = (text) => (status.textContent = text);
    const live = element("span", { class: "now", "aria-hidden": "true" });
    panel.now = (text) => (live.textContent = text);
    let total = 1, loaded = 0;
    panel.loaded = (size) => (bar.value = Math.min(1, (loaded += size) / total));
    const starts = element("div", { class: "line" });
    const begin = async (where) => {
      starts.querySelectorAll("button").forEach((one) => (one.disabled = true));
      panel.say("Loading …");
      starts.append(bar);
      try {
        use(where);
        if (!assets.files) await script(`${HERE}assets.js`);
        total = weight(kind);
        await runtime(panel.loaded);
        await predictor("toy-dog", panel.loaded);
        const made = PANELS[kind](panel);
        panel.go = () => {
          panel.say("");
          return run(panel, made.work).then(() => panel.now(""));
        };
        panel.stop.disabled = true;
        box.replaceChildren(...made.parts, line(button("Run", () => panel.go()), panel.stop, live), status);
        await made.start();
      } catch (error) {
        panel.say(`This did not work: ${error.message}`);
        bar.remove();
        starts.querySelectorAll("button").forEach((one) => (one.disabled = false));
      }
    };
    starts.append(button(`Start: loads ${box.dataset.wasm} MB, then runs in this page`, () => begin("wasm")));
    card().then((found) => found && starts.append(button(`on the graphics card: ${box.dataset.webgpu} MB`, () => begin("webgpu"))));
    box.querySelector(".without").remove();
    box.append(starts, status);
  }

  // is there a graphics card that the page may use? One that is only played by the processor would be slow
  const card = () =>
    shared("card", async () => {
      const adapter = await navigator.gpu?.requestAdapter();
      return Boolean(adapter) && !adapter.isFallbackAdapter && !adapter.info?.isFallbackAdapter && adapter.info?.architecture !== "swiftshader";
    });

  const able = typeof WebAssembly === "object" && typeof DecompressionStream === "function";
  const begin = () => able && document.querySelectorAll(".laboratory[data-panel]").forEach(prepare);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();

  return { assets, part, use, predictor, judge, picture, cloud };
})();

globalThis.Laboratory = Laboratory;
