"use strict";
// Shows the cards that the reader chooses. In the data, `images` are JPEGs in base64; `rows` and
// `predictors` refer to them by index; `shown` lists [row, value] of the best and the worst; `names`
// has the dataset's words for a sketch and a photo.
(() => {
  const block = document.getElementById("album");
  if (!block) return;
  const album = JSON.parse(block.textContent), named = album.names;
  const controls = document.getElementById("controls");
  const cards = document.getElementById("cards");
  const caption = document.getElementById("caption");
  const chosen = { predictor: album.predictors[0], metric: null, end: "best", cut: 50 };

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  function image(number, className, alt) {
    const [height, width] = album.size;
    const src = `data:image/jpeg;base64,${album.images[number]}`;
    return element("img", { class: className, alt, src, width, height, draggable: "false" });
  }

  function move(range, cut) {
    range.value = cut;
    range.closest(".compare").style.setProperty("--cut", `${cut}%`);
    range.setAttribute("aria-valuetext", `${cut}% generated ${named.photo}, ${100 - cut}% real ${named.photo}`);
  }

  function comparison(row, id) {
    const label = `compare the generated ${named.photo} of ${id} with the real ${named.photo}`;
    const range = element("input", { type: "range", min: 0, max: 100, "aria-label": label });
    const compare = element(
      "div", { class: "compare" },
      image(album.rows[row].photo, "photo", `real ${named.photo} of ${id}`),
      image(chosen.predictor.images[row], "generated", `generated ${named.photo} of ${id}`),
      element("div", { class: "line" }), range,
    );
    move(range, chosen.cut);
    range.addEventListener("input", () => move(range, Number(range.value)));
    const ends = element("div", { class: "ends" },
      element("span", {}, `generated ${named.photo}`), element("span", {}, `real ${named.photo}`));
    return element("div", { class: "both" }, compare, ends);
  }

  function card([row, value], place) {
    const { id, sketch } = album.rows[row];
    const drawn = sketch === null ? [] : [element("figure", {},
      image(sketch, "sketch", `${named.sketch} of ${id}`),
      element("figcaption", {}, named.sketch))];
    const head = element("p", { class: "head" },
      element("span", {}, `${place + 1}.`),
      element("span", { class: "name", title: id }, id),
      element("span", { class: "score" }, value));
    const images = element("div", { class: drawn.length ? "row" : "row plain" },
      ...drawn, comparison(row, id));
    return element("div", { class: "card" }, head, images);
  }

  function show() {
    const [title, direction] = album.metrics[chosen.metric];
    const listed = chosen.predictor.shown[chosen.metric][chosen.end];
    cards.replaceChildren(...listed.map(card));
    caption.textContent = `${chosen.predictor.name}: the ${chosen.end} ${listed.length} by ` +
      `${title} (${direction} is better), the ${chosen.end} first`;
  }

  function labelled(words, control) {
    return element("label", {}, words, control);
  }

  function options(select, entries, selected) {
    select.replaceChildren(...entries.map(([value, words]) => element("option", { value }, words)));
    select.value = selected;
  }

  function choice(words, name, entries, choose) {
    const group = element("span", { class: "switch" }, ...entries.map(([value, text], index) => {
      const radio = element("input", { type: "radio", name, value });
      radio.checked = index === 0;
      radio.addEventListener("change", () => choose(value));
      return element("label", {}, radio, text);
    }));
    return element("fieldset", {}, element("legend", {}, words), group);
  }

  function offerMetrics() {
    const names = Object.keys(chosen.predictor.shown);
    if (!names.includes(chosen.metric)) chosen.metric = names[0];
    const arrow = { higher: "↑", lower: "↓" };
    options(metric, names.map((name) => {
      const [title, direction] = album.metrics[name];
      return [name, `${title} ${arrow[direction]}`];
    }), chosen.metric);
  }

  const predictor = element("select", { id: "predictor" });
  const metric = element("select", { id: "metric" });
  const everywhere = element("input", { type: "range", id: "all", min: 0, max: 100 });
  options(predictor, album.predictors.map(({ name }, index) => [index, name]), 0);
  predictor.addEventListener("change", () => {
    chosen.predictor = album.predictors[predictor.value];
    offerMetrics();
    show();
  });
  metric.addEventListener("change", () => { chosen.metric = metric.value; show(); });
  everywhere.addEventListener("input", () => {
    chosen.cut = Number(everywhere.value);
    for (const range of cards.querySelectorAll("input")) move(range, chosen.cut);
  });
  const all = labelled("All sliders", everywhere);
  all.className = "all";
  controls.append(
    labelled("Method", predictor),
    labelled("Metric", metric),
    choice("Show", "end", [["best", "best"], ["worst", "worst"]],
      (end) => { chosen.end = end; show(); }),
    choice("View", "view", [["slider", "slider"], ["apart", "side by side"]], (view) => {
      cards.classList.toggle("apart", view === "apart");
      all.hidden = view === "apart";
    }),
    all,
  );
  controls.hidden = false;
  offerMetrics();
  show();

  // A printed page shows both images side by side instead of a slider.
  const view = () => document.querySelector('input[name="view"]:checked').value;
  addEventListener("beforeprint", () => cards.classList.add("apart"));
  addEventListener("afterprint", () => cards.classList.toggle("apart", view() === "apart"));
})();
