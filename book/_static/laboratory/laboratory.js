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
  const arrived = {}; // name -> characters that came
  const watchers = new Set(); // are called when some came
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

  async function assembled(name) {
    arrived[name] = 0;
    for (let i = 0; i < assets.files[name].parts; i++) {
      const address = `${HERE}${name}.${i}.js`;
      await script(address);
      if (!pieces[name]?.[i]) throw new Error(`${address} holds something else`);
      arrived[name] += pieces[name][i].length;
      watchers.forEach((watch) => watch());
    }
    const packed = new Blob(pieces[name].map(bytesOf));
    delete pieces[name];
    return new Uint8Array(await new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
  }

  // what is made once for the page; a failure can be tried again
  const once = new Map();
  function shared(key, make) {
    if (!once.has(key)) once.set(key, make().catch((error) => (once.delete(key), Promise.reject(error))));
    return once.get(key);
  }

  const contents = () =>
    shared("contents", async () => {
      await script(`${HERE}assets.js`);
      if (!assets.files) throw new Error(`${HERE}assets.js holds something else`); // a server's page, for example
    });

  const file = (name) => shared(name, () => assembled(name));

  // what runs networks, by where they run; the first Start that works decides for the whole page
  const PROGRAMS = { wasm: ["ort", "glue", "wasm"], webgpu: ["ort-gpu", "glue-gpu", "wasm-gpu"] };
  let device = null;
  const use = (name) => (device ??= name);

  const runtime = () =>
    shared(`runtime ${device}`, async () => {
      const names = PROGRAMS[device], loaded = [];
      for (const name of names) loaded.push(await file(name));
      const [program, glue, machine] = loaded;
      const address = (bytes) => URL.createObjectURL(new Blob([bytes], { type: "text/javascript" }));
      await script(address(program));
      Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary: machine.buffer, wasmPaths: { mjs: address(glue) } });
      ort.env.logLevel = "error";
      names.forEach((name) => once.delete(name)); // what has been handed over is not kept twice
    });

  // a network as a function of Float32Arrays; all panels of a page share it
  const session = (name) =>
    shared(`session ${name}`, async () => {
      await runtime();
      const made = await ort.InferenceSession.create(await file(name), { executionProviders: [device] });
      once.delete(name);
      ort.env.wasm.wasmBinary = undefined; // compiled by now
      return async (inputs) => {
        const feeds = {};
        for (const [key, [data, dims]] of Object.entries(inputs)) feeds[key] = new ort.Tensor("float32", data, dims);
        const found = Object.values(await made.run(feeds))[0], data = found.data;
        found.dispose();
        return data;
      };
    });

  const ready = (name) => once.has(`session ${name}`); // or on its way

  async function predictor(name) {
    const run = await session(name);
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

  const clamped = (image) => image.map((v) => Math.max(-1, Math.min(1, v)));

  async function judge() {
    const run = await session("domain-scorer");
    return async (image, own, other) => {
      const scores = await run({ images: [clamped(image), [1, 3, SIDE, SIDE]] });
      const at = (domain) => scores[assets.judged.indexOf(domain)];
      return 1 / (1 + Math.exp(at(other) - at(own)));
    };
  }

  // picture i of a domain, channels x side x side in [-1, 1]
  async function picture(domain, i) {
    const bytes = await file("pictures"), start = (assets.pictures[domain].first + i) * SIZE;
    return Float32Array.from(bytes.subarray(start, start + SIZE), (v) => v / 127.5 - 1);
  }

  // the latents of a domain's pictures, kept in half precision
  async function cloud(domain) {
    const halves = new Uint16Array((await file("latents")).buffer), { first, count } = assets.clouds[domain];
    return Array.from({ length: count }, (_, i) => Float32Array.from(halves.subarray((first + i) * SIZE, (first + i + 1) * SIZE), half));
  }

  function half(bits) {
    const exponent = (bits >> 10) & 31, fraction = bits & 1023, sign = bits >> 15 ? -1 : 1;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : fraction * 2 ** -24);
  }

  // ---- one run at a time: a newer one, of whatever panel, ends the one before it at its next step

  class Stopped extends Error {}
  let newest = 0, queue = Promise.resolve();

  function run(panel, work) {
    const mine = (panel.newest = ++newest);
    const going = () => {
      if (mine !== newest) throw new Stopped();
    };
    panel.say("");
    queue = queue.then(async () => {
      let told = null;
      try {
        going();
        panel.box.setAttribute("aria-busy", "true");
        panel.stop.disabled = false;
        await work(going);
      } catch (error) {
        told = error instanceof Stopped ? "Stopped." : `This did not work: ${error.message}`;
      }
      panel.now("");
      if (mine !== panel.newest) return; // the panel's next run waits
      if (told) panel.say(told);
      if (document.activeElement === panel.stop) panel.run.focus();
      panel.stop.disabled = true;
      panel.box.setAttribute("aria-busy", "false");
    });
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
    made.fill = async (domain, chosen) => {
      const { count } = assets.pictures[domain];
      const images = await Promise.all(Array.from({ length: count }, (_, i) => picture(domain, i)));
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
    const domain = select("pictures", Object.keys(assets.pictures), () => fresh());
    const choice = gallery("pictures to choose from", () => chosen());
    const t = slider("height t", 100, 900, 100, 800, again), steps = slider("steps", 2, 40, 1, 12, again);
    const solver = select("solver", Object.keys(Walk.RULES), again);
    const easel = element("canvas", { width: 256, height: 256, class: "easel", role: "img", "aria-label": "your picture" });
    const pen = easel.getContext("2d", { willReadFrequently: true });
    const color = element("input", { type: "color", value: "#de8f05" }), width = slider("brush", 4, 60, 2, 24);
    const opened = element("input", { type: "file", accept: "image/*", onchange: () => open(opened.files[0]) });
    opened.addEventListener("click", () => (opened.value = "")); // so that the same file can be chosen again
    const walking = frame("walk"), back = frame("copy"), off = frame("error × 10"), table = numbers(["radius", "neighbors"]);
    let image = null;

    async function fresh() {
      await choice.fill(domain.value, 0);
      await chosen();
    }

    async function chosen() {
      image = await picture(domain.value, choice.value);
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
      white(); // below what is transparent
      pen.imageSmoothingEnabled = true;
      pen.drawImage(from, ...place, side, side, 0, 0, 256, 256);
      taken();
    }

    const where = (event) => {
      const box = easel.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * 256, ((event.clientY - box.top) / box.height) * 256];
    };
    easel.addEventListener("pointerdown", (event) => {
      if (!event.isPrimary || event.button) return; // neither a second finger nor another button draws
      easel.setPointerCapture(event.pointerId);
      Object.assign(pen, { strokeStyle: color.value, lineWidth: width.value, lineCap: "round", lineJoin: "round" });
      pen.beginPath();
      pen.moveTo(...where(event));
      pen.lineTo(...where(event));
      pen.stroke();
    });
    easel.addEventListener("pointermove", (event) => {
      if (!easel.hasPointerCapture(event.pointerId)) return;
      pen.lineTo(...where(event));
      pen.stroke();
    });
    easel.addEventListener("lostpointercapture", taken); // lifted, or taken away by the browser
    easel.addEventListener("dragover", (event) => event.preventDefault());
    easel.addEventListener("drop", (event) => (event.preventDefault(), open(event.dataTransfer.files[0])));
    const white = () => {
      pen.fillStyle = "#fff";
      pen.fillRect(0, 0, 256, 256);
    };
    const clear = button("White canvas", () => (white(), taken()));

    solver.value = "dpm2m";
    domain.value = panel.box.dataset.domain;
    const drawing = element("figure", {}, easel, element("figcaption", {}, "your picture: draw on it, or drop one"));
    return {
      parts: [
        line(model, domain), choice.row, line(drawing, walking, back, off),
        line(element("label", {}, "color ", color), width, clear), line(element("label", {}, "a picture of yours ", opened)),
        line(t, steps, solver), table.row,
      ],
      start: fresh,
      work: async (going) => {
        const name = model.value, height = t.value, many = steps.value, how = solver.value; // a slider may move meanwhile
        if (!ready(name)) panel.say("Loading …");
        const frozen = await predictor(name), path = Walk.levels(frozen.table, height, many, how), rule = Walk.RULES[how];
        going();
        panel.say("");
        reset();
        const look = (x, seen, level) => (walking.show(x, "walking up", gain(level)), table.show(of(x)));
        const latent = await shown(frozen, image, path, rule, going, panel, "up", look);
        table.show(of(latent));
        walking.show(latent, `latent, t = ${height}`, gain(path.at(-1)));
        const down = (x, seen) => seen && back.show(seen, "copy, as guessed on the way");
        const copy = await shown(frozen, latent, path.slice().reverse(), rule, going, panel, "down", down);
        const error = Walk.error(clamped(copy), image);
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
    const domain = select("pictures", assets.judged.filter((name) => name !== own && name in assets.pictures), () => fresh());
    const choice = gallery("pictures to choose from", again);
    const eta = slider("η, share of fresh noise", 0, 1, 0.05, 0.8, again);
    const t = slider("height t", 100, 900, 100, 800, again), steps = slider("steps", 4, 40, 1, 16, again);
    const solver = select("solver up", Object.keys(Walk.RULES), again);
    const image = frame("picture"), walking = frame("latent"), guess = frame("picture on the way down");
    const odds = element("meter", { min: 0, max: 1, value: 0, "aria-label": `odds of ${own}` }), words = element("span", {}, "…");
    const table = numbers(["radius", "neighbors"]), latents = new Map();
    let seed = 1;
    domain.value = panel.box.dataset.domain;
    const fresh = async () => (await choice.fill(domain.value, 0), again());
    return {
      parts: [
        line(domain), choice.row, line(eta, t, steps, solver, button("Other noise", () => (seed++, again()))),
        line(image, walking, guess), element("p", {}, `the judge's odds of a ${own}: `, odds, " ", words), table.row,
      ],
      start: fresh,
      work: async (going) => {
        const other = domain.value, chosen = choice.value, share = eta.value, how = solver.value; // as at the run's start
        const height = t.value, many = steps.value, key = [other, chosen, height, many, how].join(" ");
        const frozen = await predictor("toy-dog"), judged = await judge(), x = await picture(other, chosen);
        const path = Walk.levels(frozen.table, height, many, how);
        reset();
        image.show(x, `${other} ${chosen + 1}`);
        if (!latents.has(key)) {
          const look = (state, seen, level) => (walking.show(state, "walking up", gain(level)), table.show(of(state)));
          latents.set(key, await shown(frozen, x, path, Walk.RULES[how], going, panel, "up", look));
        }
        const latent = latents.get(key), draw = Walk.normals(seed);
        walking.show(latent, `latent, t = ${height}`, gain(path.at(-1)));
        table.show(of(latent));
        const down = share ? Walk.levels(frozen.table, height, many) : path;
        const rule = share ? Walk.noisy(share, () => draw(SIZE)) : Walk.RULES[how];
        const weigh = async (seen, told) => {
          const found = await judged(seen, own, other), percent = Math.round(100 * found);
          guess.show(seen, told);
          odds.value = found;
          words.textContent = `${percent} % ${own}, ${100 - percent} % ${other}`;
          return found;
        };
        const look = (state, seen) => seen && weigh(seen, "picture, as guessed on the way");
        const copy = await shown(frozen, latent, down.slice().reverse(), rule, going, panel, "down", look);
        const found = await weigh(copy, "picture that came out");
        panel.say(`η = ${share}: the judge says ${found > 0.5 ? own : other}. ${cost()}.`);
      },
    };
  }

  // a new latent between two, or among neighbors
  const NEIGHBORS = 5; // as the page says
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
      await first.fill(domain.value, 0);
      await second.fill(domain.value, 1);
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
        const name = domain.value, how = way.value, among = how === "neighbors"; // as at the run's start
        const [a, b, w] = [first.value, second.value, weight.value];
        const frozen = await predictor("toy-dog"), latents = await cloud(name);
        const pictures = await Promise.all(latents.map((_, i) => picture(name, i)));
        const z = among
          ? Walk.centered(latents, a, w, Walk.normals(seed)(1 + NEIGHBORS))
          : Walk[how === "arc" ? "slerp" : "lerp"](latents[a], latents[b], w);
        one.show(pictures[a], "first parent");
        two.show(pictures[b], among ? "not used" : "second parent");
        table.show({ ...of(z), angle: Walk.angle(latents[a], latents[b]) });
        reset();
        const { t, steps, solver } = assets.down, path = Walk.levels(frozen.table, t, steps, solver).reverse();
        const nearest = (image) => {
          const gaps = pictures.map((other) => Walk.error(image, other)), k = gaps.indexOf(Math.min(...gaps));
          near.show(pictures[k], `nearest picture: number ${k + 1}, ${gaps[k].toFixed(3)} away`);
          return k;
        };
        const look = (state, seen) => seen && made.show(seen, "new picture, as guessed on the way");
        const image = await shown(frozen, z, path, Walk.RULES[solver], going, panel, "down", look);
        made.show(image, "new picture");
        const k = nearest(image), parent = k === a || (k === b && !among) ? "a parent" : "no parent";
        panel.say(`Nearest of ${pictures.length} pictures is number ${k + 1}, ${parent}. ${cost()}.`);
      },
    };
  }

  const PANELS = { walk: walkPanel, noise: noisePanel, between: betweenPanel };

  // ---- a box of the page becomes a panel

  const idle = new Set(); // what offers Start, in each panel that has not been started

  function prepare(box) {
    const { panel: kind, wasm, webgpu } = box.dataset, loads = box.dataset.loads.split(" ");
    const status = element("p", { class: "status", role: "status" });
    const live = element("span", { class: "now", "aria-hidden": "true" });
    const bar = element("progress", { max: 1, value: 0, "aria-label": "loaded" }), starts = line();
    const panel = {
      box,
      run: button("Run", () => panel.go()),
      stop: button("Stop", () => (newest++, panel.say("Stopped."))),
      say: (text) => status.textContent !== text && (status.textContent = text), // a screen reader reads it once
      now: (text) => (live.textContent = text),
    };
    panel.stop.disabled = true;
    const sum = (names, size) => names.reduce((total, name) => total + size(name), 0);
    const came = (name) => arrived[name] ?? 0, whole = (name) => assets.files[name].size;
    let graphics = false;
    const offer = () => {
      const known = device && assets.files; // another panel runs, or loads
      const left = known && sum([...PROGRAMS[device], "toy-dog", ...loads], (name) => whole(name) - came(name)) / 1e6;
      const words = known
        ? { [device]: left ? `Start: loads ${left.toFixed(1)} MB more, then runs in this page` : "Start: runs in this page" }
        : { wasm: `Start: loads ${wasm} MB, then runs in this page` };
      if (graphics && !known) words.webgpu = `on the graphics card: ${webgpu} MB`;
      starts.replaceChildren(...Object.entries(words).map(([where, text]) => button(text, () => begin(where))));
    };
    const begin = async (where) => {
      const focused = starts.contains(document.activeElement);
      const names = [...PROGRAMS[use(where)], "toy-dog", ...loads];
      const watch = () => (bar.value = sum(names, came) / sum(names, whole));
      idle.delete(offer);
      starts.replaceChildren(bar);
      panel.say("Loading …");
      try {
        await contents();
        watchers.add(watch);
        await predictor("toy-dog");
        for (const name of loads) await (name === "domain-scorer" ? judge() : file(name));
        const made = PANELS[kind](panel);
        panel.go = () => run(panel, made.work);
        box.replaceChildren(...made.parts, line(panel.run, panel.stop, live), status);
        await made.start();
      } catch (error) {
        if (!ready("toy-dog")) device = null;
        panel.say(`This did not work: ${error.message}`);
        idle.add(offer);
      }
      watchers.delete(watch);
      idle.forEach((again) => again());
      // the button that was pressed is gone: the keyboard goes on at the first control
      if (focused && document.activeElement === document.body) box.querySelector("button, select").focus({ preventScroll: true });
    };
    idle.add(offer);
    offer();
    card().then((found) => {
      graphics = found;
      if (idle.has(offer)) offer();
    });
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
