"use strict";
// The gallery of failed cases: filters, sorts and opens what stands gzipped in #gallery-data.
(async () => {
  const PAGE = 60;
  const byId = id => document.getElementById(id);
  const unpack = async text => {
    const bytes = Uint8Array.from(atob(text.trim()), character => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  };
  // A browser that cannot unpack it keeps the plain list of chosen cases.
  const data = await unpack(byId("gallery-data").textContent).catch(() => null);
  if (!data) return;

  const { classes, recipes, groups, sheets, images, train, cases } = data;
  const cards = byId("gallery-cards"), more = byId("gallery-more"), dialog = byId("case");
  const fields = ["recipe", "true", "predicted", "group", "sort"].map(name => byId(`gallery-${name}`));
  const wanted = () => Object.fromEntries(fields.map(field => [field.name, field.value]));
  const share = number => `${Math.round(100 * number)} %`;
  const orders = {
    agreement: (a, b) => agreement(b) - agreement(a) || b.sure - a.sure,
    disagreement: (a, b) => agreement(a) - agreement(b) || a.sure - b.sure,
    confidence: (a, b) => b.sure - a.sure,
    doubt: (a, b) => a.sure - b.sure,
  };
  let shown = [], opened = -1;

  const element = (name, content, className) => {
    const made = document.createElement(name);
    if (content) made.append(content);
    if (className) made.className = className;
    return made;
  };
  const place = (picture, index, { columns, rows } = sheets.images) => {
    const along = (step, count) => (count > 1 ? `${(100 * step) / (count - 1)}%` : "0");
    picture.style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
    picture.style.backgroundPosition =
      `${along(index % columns, columns)} ${along(Math.floor(index / columns), rows)}`;
    return picture;
  };
  // The answer that is looked for, else the usual wrong one.
  const answer = found => Number(wanted().predicted || found.predicted);
  const agreement = found => found.answers[answer(found)] / found.seeds;
  const runs = found =>
    found.seeds === 1 ? "in its one run" : `by ${found.answers[answer(found)]} of ${found.seeds} runs`;
  const names = found => [classes[images.true[found.image]], classes[found.predicted]];

  const card = (found, index) => {
    const trueName = classes[images.true[found.image]], predictedName = classes[answer(found)];
    const button = element("button", null, "card");
    button.type = "button";
    button.dataset.index = index;
    button.append(place(element("span", null, "sprite images"), found.image));
    const title = element("span", `${trueName} `, "names");
    title.append(element("span", "taken for", "quiet"), ` ${predictedName}`);
    button.append(title, element("span", `${recipes[found.recipe]}, ${runs(found)}`));
    button.append(element("span", found.sure === null || answer(found) !== found.predicted ? "" : `sure to ${share(found.sure)}`, "quiet"));
    const item = element("li");
    item.append(button);
    return item;
  };

  const grow = () => {
    const from = cards.children.length;
    cards.append(...shown.slice(from, from + PAGE).map((found, index) => card(found, from + index)));
    more.hidden = cards.children.length >= shown.length;
  };
  const filter = () => {
    const want = wanted();
    shown = cases.filter(found =>
      (want.recipe === "" || found.recipe === Number(want.recipe)) &&
      (want.true === "" || images.true[found.image] === Number(want.true)) &&
      (want.predicted === "" || want.predicted in found.answers) &&
      (want.group === "" || images.group[found.image] === Number(want.group)));
    shown.sort(orders[want.sort]);
    const distinct = new Set(shown.map(found => found.image)).size;
    byId("gallery-count").textContent = shown.length
      ? `${shown.length.toLocaleString("en")} of ${cases.length.toLocaleString("en")} failed cases, ` +
        `${distinct.toLocaleString("en")} ${distinct === 1 ? "image" : "images"}.`
      : "No failed case is like this.";
    cards.replaceChildren();
    grow();
  };
  const choose = (recipe, trueClass, predicted) => {
    [recipe, trueClass, predicted, ""].forEach((value, index) => { fields[index].value = value; });
    filter();
    byId("gallery-title").focus({ preventScroll: true });
    byId("gallery-title").scrollIntoView();
  };

  const showMap = (found, trueName, predictedName) => {
    const box = byId("case-attribution"), { map } = found;
    if (!box) return;
    box.hidden = !map;
    if (!map) return;
    const picture = byId("case-map"), [image, overlay] = picture.children;
    place(image, found.image);
    place(overlay, map.place, sheets.maps);
    const over = map.runs === 1 ? "one run" : `mean over ${map.runs} runs`;
    picture.setAttribute("aria-label", map.half === null
      ? `Attribution map, ${over}: no place speaks for ${predictedName} over ${trueName}`
      : `Attribution map, ${over}: half of what speaks for ${predictedName} over ${trueName} lies in ` +
        `${map.half} % of the image, ${map.border} % of it in the outer eighth; the strongest place: ${map.strongest}`);
    byId("map-for").textContent = predictedName;
    byId("map-against").textContent = trueName;
    byId("map-note").textContent = `Integrated gradients, ${over}; the stronger the color, the more, ` +
      "on a scale of this image's own.";
  };
  const showNearest = found => {
    const box = byId("case-nearest");
    if (!box) return;
    box.hidden = !found.near;
    byId("case-near").replaceChildren(...(found.near ?? []).map(near => {
      const item = element("li"), label = classes[train.label[near]];
      const picture = place(element("span", null, "sprite train"), near, sheets.train);
      picture.setAttribute("role", "img");
      picture.setAttribute("aria-label", "Training image");
      item.append(picture, element("span", label, train.label[near] === images.true[found.image] ? "same" : ""));
      return item;
    }));
  };

  const open = index => {
    opened = index;
    const found = shown[index], [trueName, predictedName] = names(found);
    byId("case-title").textContent = `${trueName} taken for ${predictedName}`;
    const picture = place(byId("case-picture"), found.image);
    picture.setAttribute("aria-label", `Test image ${images.id[found.image]}: ${trueName}`);
    byId("case-where").textContent =
      `${recipes[found.recipe]} · ${groups[images.group[found.image]]} · image ${images.id[found.image]}`;
    showMap(found, trueName, predictedName);
    showNearest(found);
    byId("case-texts").replaceChildren(...found.texts.map(text => element("li", text)));
    byId("case-position").textContent = `${(index + 1).toLocaleString("en")} of ${shown.length.toLocaleString("en")}`;
    byId("case-previous").disabled = index === 0;
    byId("case-next").disabled = index === shown.length - 1;
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  };
  const step = by => { if (shown[opened + by]) open(opened + by); };

  fields.forEach(field => field.addEventListener("change", filter));
  byId("gallery-reset").addEventListener("click", () => {
    fields.forEach(field => { field.selectedIndex = 0; });
    filter();
  });
  more.addEventListener("click", () => {
    const next = cards.children.length;
    grow();
    cards.children[next]?.firstChild.focus();
  });
  cards.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (button) open(Number(button.dataset.index));
  });
  cards.addEventListener("keydown", event => {
    const here = event.target.closest("button");
    if (!here) return;
    const items = [...cards.children];
    const across = items.filter(item => item.offsetTop === items[0].offsetTop).length;
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
    const target = items[Number(here.dataset.index) + by];
    if (!by || !target) return;
    event.preventDefault();
    target.firstChild.focus();
  });
  byId("case-previous").addEventListener("click", () => step(-1));
  byId("case-next").addEventListener("click", () => step(1));
  byId("case-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", event => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => {
    while (cards.children.length <= opened) grow();
    cards.children[opened].firstChild.focus();
  });

  // A cell is found by its place, whether the matrix is drawn as shapes or as one picture.
  for (const matrix of document.querySelectorAll(".matrix")) {
    const plot = matrix.querySelector("[id$='-plot-area']"), { recipe } = matrix.dataset;
    const size = classes.length, cursor = element("button", null, "cursor");
    const counts = new Map();
    for (const found of cases) {
      if (found.recipe !== Number(recipe)) continue;
      for (const answer of Object.keys(found.answers)) {
        const key = `${images.true[found.image]} ${answer}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }
    let cell = [0, Math.min(1, size - 1)];
    const move = (trueClass, predicted) => {
      cell = [trueClass, predicted];
      const outer = matrix.getBoundingClientRect(), inner = plot.getBoundingClientRect();
      const share = (length, whole) => `${(100 * length) / whole}%`;
      Object.assign(cursor.style, {
        left: share(inner.left - outer.left + (predicted * inner.width) / size, outer.width),
        top: share(inner.top - outer.top + (trueClass * inner.height) / size, outer.height),
        width: share(inner.width / size, outer.width),
        height: share(inner.height / size, outer.height),
      });
      const count = counts.get(cell.join(" ")) ?? 0;
      cursor.setAttribute("aria-label", trueClass === predicted
        ? `${classes[trueClass]}, recognized: no failed cases; arrow keys move to other cells`
        : `${classes[trueClass]} taken for ${classes[predicted]}: ${count} failed ${count === 1 ? "case" : "cases"}; ` +
          "Enter shows them, arrow keys move");
      cursor.title = trueClass === predicted
        ? classes[trueClass] : `${classes[trueClass]} taken for ${classes[predicted]}: ${count}`;
    };
    const show = () => { if (cell[0] !== cell[1]) choose(recipe, ...cell.map(String)); };
    const under = event => {
      const inner = plot.getBoundingClientRect();
      const at = [(event.clientY - inner.top) / inner.height, (event.clientX - inner.left) / inner.width];
      return at.every(part => part >= 0 && part < 1) ? at.map(part => Math.floor(part * size)) : null;
    };
    cursor.type = "button";
    matrix.append(cursor);
    move(...cell);
    matrix.addEventListener("mousemove", event => {
      const found = under(event);
      if (found) move(...found);
    });
    matrix.addEventListener("click", event => {
      // A click made by a key has no place.
      const found = event.detail === 0 && event.target === cursor ? cell : under(event);
      if (found) move(...found);
      if (found) show();
    });
    cursor.addEventListener("keydown", event => {
      const by = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!by) return;
      event.preventDefault();
      move(...cell.map((place, axis) => Math.min(size - 1, Math.max(0, place + by[axis]))));
    });
  }
  for (const link of document.querySelectorAll("a[data-pair]")) {
    link.addEventListener("click", event => {
      event.preventDefault();
      choose(...link.dataset.pair.split(" "));
    });
  }
  byId("gallery").hidden = false;
  filter();
})();
