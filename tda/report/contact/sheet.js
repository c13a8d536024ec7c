(() => {
  "use strict";
  const pairs = [...document.querySelectorAll(".pair")];
  const key = "lacuna contact " + document.body.dataset.digest;
  const size = Number(document.body.dataset.page);
  const pages = Math.max(1, Math.ceil(pairs.length / size));
  const by = id => document.getElementById(id);
  let current = 0;
  let marks = {};
  let kept = true;

  try {
    marks = JSON.parse(localStorage.getItem(key)) || {};
  } catch {
    kept = false;
  }

  const remember = () => {
    try {
      localStorage.setItem(key, JSON.stringify(marks));
    } catch {
      kept = false;
    }
    by("unkept").hidden = kept;
  };

  const tally = () => {
    const values = Object.values(marks);
    const repeats = values.filter(value => value === 1).length;
    const others = values.filter(value => value === 0).length;
    by("tally").value = `repeats ${repeats}, not ${others}, left ${pairs.length - repeats - others}`;
  };

  const show = place => {
    const pair = pairs[place];
    for (const button of pair.querySelectorAll(".marks button")) {
      button.setAttribute("aria-pressed", String(marks[pair.dataset.rank] === Number(button.dataset.mark)));
    }
  };

  const select = (place, focus = true) => {
    if (!pairs.length) return;
    const next = Math.min(Math.max(place, 0), pairs.length - 1);
    const page = Math.floor(next / size);
    pairs.forEach((pair, i) => { pair.hidden = Math.floor(i / size) !== page; });
    pairs[current].classList.remove("current");
    pairs[current].removeAttribute("aria-current");
    current = next;
    pairs[current].classList.add("current");
    pairs[current].setAttribute("aria-current", "true");
    by("where").value = `pair ${current + 1} of ${pairs.length}, page ${page + 1} of ${pages}`;
    by("before").disabled = page === 0;
    by("after").disabled = page === pages - 1;
    if (focus) {
      pairs[current].focus({ preventScroll: true });
      pairs[current].scrollIntoView({ block: "nearest" });
    }
  };

  const mark = (place, value) => {
    const rank = pairs[place].dataset.rank;
    if (value === null) delete marks[rank]; else marks[rank] = value;
    show(place);
    remember();
    tally();
  };

  const turn = pagesOn => select((Math.floor(current / size) + pagesOn) * size);

  const save = () => {
    const about = { ...by("sheet").dataset };
    const judged = pairs.filter(pair => pair.dataset.rank in marks).map(pair => ({
      rank: Number(pair.dataset.rank),
      repeat: marks[pair.dataset.rank],
      query: { shard: pair.dataset.queryShard, ordinal: Number(pair.dataset.queryOrdinal), key: pair.dataset.queryKey },
      match: { shard: pair.dataset.matchShard, ordinal: Number(pair.dataset.matchOrdinal), key: pair.dataset.matchKey },
    }));
    const text = JSON.stringify({ ...about, pairs: pairs.length, marks: judged }, null, 1) + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = `${about.name}-marks.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };

  const keys = {
    ArrowRight: () => select(current + 1),
    ArrowDown: () => select(current + 1),
    ArrowLeft: () => select(current - 1),
    ArrowUp: () => select(current - 1),
    PageDown: () => turn(1),
    PageUp: () => turn(-1),
    Home: () => select(0),
    End: () => select(pairs.length - 1),
    1: () => { mark(current, 1); select(current + 1); },
    0: () => { mark(current, 0); select(current + 1); },
    c: () => mark(current, null),
    n: () => {
      const left = pairs.findIndex(pair => !(pair.dataset.rank in marks));
      if (left >= 0) select(left);
    },
  };

  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || !pairs.length || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });
  document.addEventListener("click", event => {
    const pair = event.target.closest(".pair");
    const button = event.target.closest("button");
    if (!pair) return;
    const place = pairs.indexOf(pair);
    select(place, !button);
    if (button) {
      const value = Number(button.dataset.mark);
      mark(place, marks[pair.dataset.rank] === value ? null : value);
    }
  });
  by("before").addEventListener("click", () => turn(-1));
  by("after").addEventListener("click", () => turn(1));
  by("save").addEventListener("click", save);
  pairs.forEach((_, place) => show(place));
  by("unkept").hidden = kept;
  tally();
  select(0, false);
})();
