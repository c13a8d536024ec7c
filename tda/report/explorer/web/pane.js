"use strict";
// One model's points: a canvas that turns, moves, zooms, is hovered and selected on, by pointer and by keys.
(() => {
  const { el, state, set, fixed, percent } = lacuna;
  const MOST = 1100; // pixels of a side of the canvas
  const STEP = 0.12; // radians of a key
  const CLICK = 4; // pixels that a click may move

  class Pane {
    constructor(app, lane) {
      this.app = app;
      this.lane = lane;
      this.canvas = el("canvas", { tabindex: "0", role: "application", "aria-label": `Points of ${lane.id}. Arrow keys turn, plus and minus zoom, n goes to the next pair, Enter pins it.` });
      this.card = el("div", { class: "card", hidden: true });
      this.missing = el("p", { class: "missing", hidden: true });
      this.stage = el("div", { class: "stage" }, this.canvas, this.card, this.missing);
      this.title = el("figcaption");
      this.figure = el("figure", { class: "pane" }, this.title, this.stage);
      this.renderer = new lacuna.Renderer(this.canvas);
      this.path = [];
      this.pointers = new Map();
      this.stale = true;
      this.listen();
    }

    // What the lane is now: called where models, frames, colours, or what is lit have changed.
    update() {
      const { lane, app } = this, { model } = lane;
      const step = lane.frames.length > 1 ? `, step ${lacuna.count(Math.round(lane.at))}` : "";
      const gap = model.gap === null ? "" : `gap ${fixed(model.gap, 3)}`;
      const top = model.top1 === null ? "" : `top-1 ${percent(model.top1)}`;
      this.title.replaceChildren(el("strong", {}, el("bdi", {}, lacuna.laneName(lane)), step), " ", el("span", { class: "note" }, [gap, top].filter(Boolean).join(", ")));
      this.missing.hidden = Boolean(lane.place);
      this.canvas.hidden = !lane.place;
      if (!lane.place) {
        this.missing.replaceChildren(`No ${app.viewName()} of this model. `, el("code", {}, `python -m jobs.analyze dataset.name=${app.dataset.name} encoder.name=${lane.model.encoder} root=ROOT`));
        return;
      }
      const first = app.lanes[0].model;
      const coloured = lacuna.colours.coloured(state.colour, model, app.dataset, first);
      this.index = coloured.index;
      this.key = coloured.key;
      this.shades = lacuna.colours.shades(coloured.palette, false);
      this.dimmed = lacuna.colours.shades(coloured.palette, true);
      this.levels = lacuna.levels(app, lane);
      this.density = state.density ? lacuna.density.grid(model, lane.kind === "plane" ? "plane" : "sphere", lane.place, app.dataset.pairs) : null;
      this.stale = true;
    }

    size() {
      const box = this.stage.getBoundingClientRect();
      const ratio = Math.min(window.devicePixelRatio || 1, 2, MOST / Math.max(box.width, box.height, 1));
      this.ratio = ratio;
      this.renderer.resize(Math.max(1, Math.round(box.width * ratio)), Math.max(1, Math.round(box.height * ratio)));
    }

    view() {
      const { width, height } = this.renderer;
      const least = Math.min(width, height), [right, down] = state.pan;
      const x = width / 2 + right * least, y = height / 2 + down * least;
      const { kind } = this.lane;
      if (kind !== "plane") {
        return { kind, matrix: lacuna.turning.matrix(state.turn), x, y, scale: state.zoom * (kind === "map" ? 0.48 * Math.min(width, 2 * height) : 0.47 * least) };
      }
      const { left, top, width: wide, height: high } = this.lane.box;
      const scale = 0.92 * state.zoom * Math.min(width / wide, height / high);
      return { kind, scale, x: x - scale * (left + wide / 2), y: y + scale * (top + high / 2) };
    }

    radius() {
      const points = 2 * this.app.dataset.pairs;
      const base = points <= 1000 ? 3.4 : points <= 8000 ? 2.4 : points <= 40000 ? 1.6 : 1;
      return Math.max(1, Math.round(base * this.ratio * Math.min(2, state.zoom ** 0.3) * (this.renderer.width < 420 * this.ratio ? 0.8 : 1)));
    }

    draw() {
      if (!this.lane.place || !this.levels) return;
      this.size();
      const view = this.current = this.view();
      const scene = {
        view, place: this.lane.place, pairs: this.app.dataset.pairs, levels: this.levels, index: this.index, shades: this.shades, dimmed: this.dimmed,
        radius: this.radius(), ground: lacuna.colours.background(), density: this.density, fieldColours: lacuna.colours.modalities(),
      };
      this.renderer.draw(scene);
      lacuna.marks.draw(this.renderer, view, this.lane, this.app, { pinned: state.pinned, hovered: this.app.hovered.pair, lines: state.lines, path: this.path, ratio: this.ratio });
      this.stale = false;
    }

    local(event) {
      const box = this.canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    }

    listen() {
      const on = (name, listener, options) => this.canvas.addEventListener(name, listener.bind(this), options);
      on("pointerdown", this.down);
      on("pointermove", this.move);
      on("pointerup", this.up);
      on("pointercancel", this.cancel);
      on("pointerleave", () => { if (!this.pointers.size) this.app.hover(-1); });
      on("wheel", this.wheel, { passive: false });
      on("keydown", this.key_);
    }

    down(event) {
      if (event.button !== 0) return;
      this.canvas.setPointerCapture(event.pointerId);
      const at = this.local(event);
      this.pointers.set(event.pointerId, { start: at, last: at });
      if (state.tool !== "turn" && this.pointers.size === 1) this.path = [at];
      if (this.pointers.size === 2) this.path = [];
    }

    move(event) {
      const at = this.local(event), pointer = this.pointers.get(event.pointerId);
      if (!pointer) {
        this.app.hover(this.renderer.at(at[0] * this.ratio, at[1] * this.ratio), this, at);
        return;
      }
      const [right, down] = [at[0] - pointer.last[0], at[1] - pointer.last[1]];
      if (this.pointers.size === 2) this.pinch(event.pointerId, at, right, down);
      else if (this.path.length) this.trace(at);
      else this.drag(right, down);
      pointer.last = at;
    }

    drag(right, down) {
      const box = this.canvas.getBoundingClientRect(), least = Math.min(box.width, box.height);
      if (this.lane.kind === "plane") set({ pan: [state.pan[0] + right / least, state.pan[1] + down / least] });
      else set({ turn: lacuna.turning.turned(state.turn, right / (0.47 * least * state.zoom), down / (0.47 * least * state.zoom)) });
    }

    pinch(id, at, right, down) {
      const [other] = [...this.pointers].filter(([key]) => key !== id).map(([, one]) => one);
      const before = this.pointers.get(id).last;
      const span = ([x, y]) => Math.hypot(x - other.last[0], y - other.last[1]);
      const least = Math.min(this.canvas.clientWidth, this.canvas.clientHeight);
      set({ zoom: limited(state.zoom * span(at) / Math.max(span(before), 1)), pan: [state.pan[0] + right / 2 / least, state.pan[1] + down / 2 / least] });
    }

    trace(at) {
      const [x, y] = this.path[0];
      this.path = state.tool === "box" ? [[x, y], [at[0], y], at, [x, at[1]]] : [...this.path, at];
      this.app.redraw(this);
    }

    up(event) {
      const pointer = this.pointers.get(event.pointerId), at = this.local(event);
      this.pointers.delete(event.pointerId);
      if (!pointer) return;
      const moved = Math.hypot(at[0] - pointer.start[0], at[1] - pointer.start[1]);
      const path = this.path;
      this.path = [];
      if (path.length > 2 && moved >= CLICK) this.app.select(this.enclosed(path), event.shiftKey);
      else if (moved < CLICK && !this.pointers.size) this.tap(at, event.pointerType === "touch");
      this.app.redraw(this);
    }

    cancel(event) {
      this.pointers.delete(event.pointerId);
      this.path = [];
      this.app.redraw(this);
    }

    // A finger has no pointer to hover with: its tap shows the card too.
    tap(at, finger) {
      const point = this.renderer.at(at[0] * this.ratio, at[1] * this.ratio, finger ? 14 : 7);
      this.pin(point);
      if (finger) this.app.hover(point, this, at);
    }

    pin(point) {
      const pair = point < 0 ? -1 : point % this.app.dataset.pairs;
      set({ pinned: pair === state.pinned ? -1 : pair, ...(pair >= 0 ? { tab: "pair" } : {}) });
    }

    // Pairs with a shown member inside a path on the screen, on the sphere on its near side.
    enclosed(path) {
      const found = new Set(), pairs = this.app.dataset.pairs;
      for (let i = 0; i < 2 * pairs; i++) {
        if (!this.levels[i]) continue;
        const [x, y, z] = this.renderer.project(this.current, this.lane.place, i);
        if (z >= 0 && (!path || lacuna.marks.inside(path, x / this.ratio, y / this.ratio))
          && x >= 0 && y >= 0 && x < this.renderer.width && y < this.renderer.height) found.add(i % pairs);
      }
      return found;
    }

    wheel(event) {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), this.local(event));
    }

    // About a place of the stage, or its middle.
    zoom(factor, at) {
      const zoom = limited(state.zoom * factor), share = zoom / state.zoom;
      const { clientWidth: width, clientHeight: height } = this.canvas, least = Math.min(width, height);
      const [x, y] = at ? [(at[0] - width / 2) / least, (at[1] - height / 2) / least] : [0, 0];
      set({ zoom, pan: [x + share * (state.pan[0] - x), y + share * (state.pan[1] - y)] });
    }

    key_(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const turn = (right, down) => (this.lane.kind === "plane"
        ? set({ pan: [state.pan[0] + right / 3, state.pan[1] + down / 3] }) : set({ turn: lacuna.turning.turned(state.turn, right, down) }));
      const { hovered } = this.app;
      const keys = {
        ArrowLeft: () => turn(-STEP, 0), ArrowRight: () => turn(STEP, 0), ArrowUp: () => turn(0, -STEP), ArrowDown: () => turn(0, STEP),
        "+": () => this.zoom(1.2), "=": () => this.zoom(1.2), "-": () => this.zoom(1 / 1.2), 0: () => this.app.reset(),
        n: () => this.app.walk(1, this), p: () => this.app.walk(-1, this),
        Enter: () => hovered.pair >= 0 && this.pin(hovered.pair),
        s: () => (hovered.pair >= 0 ? this.app.toggle(hovered.pair) : state.pinned >= 0 && this.app.toggle(state.pinned)),
        Escape: () => { this.app.hover(-1); set({ pinned: -1 }); },
      };
      if (!Object.hasOwn(keys, event.key)) return;
      event.preventDefault();
      keys[event.key]();
    }

    // Where a pair is on the stage, in its own pixels: for the card of a pair that was reached by keys.
    whereIs(point) {
      const [x, y] = this.renderer.project(this.current ?? this.view(), this.lane.place, point);
      return [x / this.ratio, y / this.ratio];
    }

    showCard(point, at) {
      this.card.hidden = point < 0;
      if (point < 0) return;
      this.card.replaceChildren(...lacuna.card(this.lane, this.app.dataset, point));
      const { clientWidth: width, clientHeight: height } = this.stage;
      const wide = this.card.offsetWidth, high = this.card.offsetHeight;
      const left = at[0] + 16 + wide < width ? at[0] + 16 : at[0] - 16 - wide;
      this.card.style.left = `${Math.max(0, Math.min(left, width - wide))}px`;
      this.card.style.top = `${Math.max(0, Math.min(at[1] + 12, height - high))}px`;
    }
  }

  const limited = zoom => Math.min(Math.max(zoom, 0.3), 200);
  lacuna.Pane = Pane;
})();
