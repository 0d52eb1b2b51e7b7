"use strict";
// The gallery of failed cases: filters, sorts and opens the cases in #gallery-data (gzip).
(async () => {
  const FIRST = innerWidth < 600 ? 6 : 10, NEXT = 30;
  const byId = id => document.getElementById(id);
  const unpack = async text => {
    const bytes = Uint8Array.from(atob(text.trim()), character => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  };
  // A browser that cannot decompress it shows only the list of chosen cases.
  const data = await unpack(byId("gallery-data").textContent).catch(() => null);
  if (!data) return;

  const { classes, recipes, groups, sheets, images, train, templates } = data;
  const columns = Object.entries(data.cases);
  // A template's \ufdd0, \ufdd1 and \ufdd2 stand for the case's recipe and classes, each \ufdd3 for a number.
  const MARKS = /[\ufdd0-\ufdd3]/g, numbers = data.numbers.map(text => text.split(" "));
  const sizes = templates.map(template => template.split("\ufdd3").length - 1), used = sizes.map(() => 0);
  const nearest = index => data.near.reduce((number, digits, place) => number + digit(digits[index]) * 64 ** place, 0);
  const digit = letter => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".indexOf(letter);
  let numNear = 0, numMaps = 0;
  const cases = data.cases.recipe
    .map((_, index) => Object.fromEntries(columns.map(([name, column]) => [name, column[index]])))
    .map(entry => ({
      ...entry,
      texts: entry.texts.map(template => ({ template, from: (used[template] += sizes[template]) - sizes[template] })),
      near: Array.from({ length: entry.near }, () => numNear++),
    }))
    .sort((a, b) => a.recipe - b.recipe || a.image - b.image)
    .map(entry => ({ ...entry, map: entry.map_runs === null ? null : {
      place: numMaps++, runs: entry.map_runs, half: entry.map_half, border: entry.map_border, strongest: entry.map_strongest,
    } }));
  const cards = byId("gallery-cards"), more = byId("gallery-more"), dialog = byId("case");
  const fields = ["recipe", "true", "predicted", "group", "sort"].map(name => byId(`gallery-${name}`));
  const filters = () => Object.fromEntries(fields.map(field => [field.name, field.value]));
  const share = number => `${Math.round(100 * number)} %`;
  const orders = {
    agreement: (a, b) => agreement(b) - agreement(a) || b.sure - a.sure,
    disagreement: (a, b) => agreement(a) - agreement(b) || a.sure - b.sure,
    confidence: (a, b) => b.sure - a.sure,
    doubt: (a, b) => a.sure - b.sure,
  };
  let matching = [], opened = -1, closing = false;

  const element = (name, content, className) => {
    const node = document.createElement(name);
    if (content) node.append(content);
    if (className) node.className = className;
    return node;
  };
  const place = (picture, index, { columns, rows } = sheets.images) => {
    const along = (step, count) => (count > 1 ? `${(100 * step) / (count - 1)}%` : "0");
    picture.style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
    picture.style.backgroundPosition =
      `${along(index % columns, columns)} ${along(Math.floor(index / columns), rows)}`;
    return picture;
  };
  // The predicted class of the filter, else the usual wrong one.
  const prediction = entry => Number(filters().predicted || entry.predicted);
  const agreement = entry => entry.answers[prediction(entry)] / entry.seeds;
  const runs = entry =>
    entry.seeds === 1 ? "the one run" : `${entry.answers[prediction(entry)]} of ${entry.seeds} runs`;
  const names = entry => [classes[images.true[entry.image]], classes[entry.predicted]];
  const sentence = (entry, { template, from }) => {
    const own = [recipes[entry.recipe], ...names(entry)];
    return templates[template].replace(MARKS, mark => own[mark.charCodeAt(0) - 0xfdd0] ?? numbers[template][from++]);
  };

  // A long name without its middle: "lenet5_l2…rization".
  const shortened = name => {
    const letters = [...name];
    return letters.length <= 16 ? name : `${letters.slice(0, 8).join("")}…${letters.slice(-7).join("")}`;
  };

  const card = (entry, index) => {
    const trueName = classes[images.true[entry.image]], predictedName = classes[prediction(entry)];
    const button = element("button", null, "card");
    button.type = "button";
    button.dataset.index = index;
    button.append(place(element("span", null, "sprite images"), entry.image));
    const title = element("span", `${trueName} `, "names");
    title.append(element("span", "→", "quiet"), ` ${predictedName}`);
    const recipe = element("span", shortened(recipes[entry.recipe]), "quiet");
    recipe.title = recipes[entry.recipe];
    button.append(recipe, title, element("span", runs(entry)));
    button.append(element("span", entry.sure === null || prediction(entry) !== entry.predicted ? "" : `confidence ${share(entry.sure)}`, "quiet"));
    const item = element("li");
    item.append(button);
    return item;
  };

  const grow = () => {
    const from = cards.children.length;
    const to = from + (from ? NEXT : FIRST);
    cards.append(...matching.slice(from, to).map((entry, index) => card(entry, from + index)));
    more.hidden = cards.children.length >= matching.length;
  };
  const filter = () => {
    const selected = filters();
    matching = cases.filter(entry =>
      (selected.recipe === "" || entry.recipe === Number(selected.recipe)) &&
      (selected.true === "" || images.true[entry.image] === Number(selected.true)) &&
      (selected.predicted === "" || selected.predicted in entry.answers) &&
      (selected.group === "" || images.group[entry.image] === Number(selected.group)));
    matching.sort(orders[selected.sort]);
    const distinct = new Set(matching.map(entry => entry.image)).size;
    const chosen = [
      recipes[selected.recipe], selected.true && `true ${classes[selected.true]}`,
      selected.predicted && `predicted ${classes[selected.predicted]}`,
    ].filter(Boolean).join(", ");
    byId("gallery-count").textContent = matching.length
      ? `${matching.length.toLocaleString("en")} of ${cases.length.toLocaleString("en")} failed cases, ` +
        `${distinct.toLocaleString("en")} ${distinct === 1 ? "image" : "images"}${chosen && `: ${chosen}`}.`
      : "No failed case matches these filters.";
    cards.replaceChildren();
    grow();
  };
  // The address says what is shown: "#cases/RECIPE/TRUE/PREDICTED" or "#case/RECIPE/IMAGE".
  const address = (...parts) => `#${parts.map(encodeURIComponent).join("/")}`;
  const select = values => {
    fields.slice(0, 4).forEach((field, index) => { field.value = values[index] ?? ""; });
    filter();
  };
  const goTo = hash => {
    if (location.hash !== hash) {
      history.replaceState({ top: scrollY }, "");
      history.pushState(null, "", hash);
    }
    route();
  };
  const choose = (recipe, trueClass, predicted) =>
    goTo(address("cases", recipes[recipe] ?? "", classes[trueClass] ?? "", classes[predicted] ?? ""));
  const route = () => {
    const [kind, ...parts] = location.hash.slice(1).split("/").map(part => {
      try { return decodeURIComponent(part); } catch { return part; }
    });
    const place = (list, name) => (list.includes(name) ? String(list.indexOf(name)) : "");
    if (kind === "case" && parts.length > 1) {
      const [recipe, image] = [recipes.indexOf(parts[0]), images.id.indexOf(parts.slice(1).join("/"))];
      const isIt = entry => entry.recipe === recipe && entry.image === image;
      if (!matching.some(isIt)) select([]);
      const index = matching.findIndex(isIt);
      if (index >= 0) open(index);
      return;
    }
    closing = dialog.open;
    dialog.close();
    if (kind === "cases") {
      select([place(recipes, parts[0]), place(classes, parts[1]), place(classes, parts[2])]);
      byId("gallery-title").focus({ preventScroll: true });
      byId("gallery-title").scrollIntoView();
    }
  };

  const showMap = (entry, trueName, predictedName) => {
    const box = byId("case-attribution"), { map } = entry;
    if (!box) return;
    box.hidden = !map;
    if (!map) return;
    const picture = byId("case-map"), [image, overlay] = picture.children;
    place(image, entry.image);
    place(overlay, map.place, sheets.maps);
    const over = map.runs === 1 ? "one run" : `mean over ${map.runs} runs`;
    picture.setAttribute("aria-label", map.half === null
      ? `Attribution map, ${over}: no part of the image supports ${predictedName} over ${trueName}`
      : `Attribution map, ${over}: half of the support for ${predictedName} over ${trueName} lies in ` +
        `${map.half} % of the image, ${map.border} % of it in the outer eighth; strongest at: ${map.strongest}`);
    byId("map-for").textContent = predictedName;
    byId("map-against").textContent = trueName;
    byId("map-note").textContent = `Integrated gradients, ${over}; the stronger the color, the larger the attribution, ` +
      "scaled separately for each image.";
  };
  const showNearest = entry => {
    const box = byId("case-nearest");
    if (!box) return;
    box.hidden = !entry.near.length;
    byId("case-near").replaceChildren(...entry.near.map(nearest).map(near => {
      const item = element("li"), label = classes[train.label[near]];
      const picture = place(element("span", null, "sprite train"), near, sheets.train);
      picture.setAttribute("role", "img");
      picture.setAttribute("aria-label", "Training image");
      item.append(picture, element("span", label, train.label[near] === images.true[entry.image] ? "same" : ""));
      return item;
    }));
  };

  const open = index => {
    opened = index;
    const entry = matching[index], [trueName, predictedName] = names(entry);
    byId("case-title").textContent = `${trueName} → ${predictedName}`;
    const picture = place(byId("case-picture"), entry.image);
    picture.setAttribute("aria-label", `Test image ${images.id[entry.image]}: ${trueName}`);
    byId("case-where").textContent =
      `${recipes[entry.recipe]} · ${groups[images.group[entry.image]]} · image ${images.id[entry.image]}`;
    showMap(entry, trueName, predictedName);
    showNearest(entry);
    byId("case-texts").replaceChildren(...entry.texts.map(text => element("li", sentence(entry, text))));
    byId("case-position").textContent = `${(index + 1).toLocaleString("en")} of ${matching.length.toLocaleString("en")}`;
    byId("case-previous").disabled = index === 0;
    byId("case-next").disabled = index === matching.length - 1;
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  };
  const addressOf = index => address("case", recipes[matching[index].recipe], images.id[matching[index].image]);
  const step = by => {
    if (!matching[opened + by]) return;
    history.replaceState(null, "", addressOf(opened + by));
    open(opened + by);
  };
  const selection = () => {
    const { recipe, true: trueClass, predicted } = filters();
    return recipe + trueClass + predicted === "" ? address("failed-cases") :
      address("cases", recipes[recipe] ?? "", classes[trueClass] ?? "", classes[predicted] ?? "");
  };

  fields.forEach(field => field.addEventListener("change", () => {
    filter();
    history.replaceState(null, "", selection());
  }));
  byId("gallery-reset").addEventListener("click", () => {
    fields.forEach(field => { field.selectedIndex = 0; });
    filter();
    history.replaceState(null, "", selection());
  });
  more.addEventListener("click", () => {
    const next = cards.children.length;
    grow();
    cards.children[next]?.firstChild.focus();
  });
  cards.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (button) goTo(addressOf(Number(button.dataset.index)));
  });
  cards.addEventListener("keydown", event => {
    const focused = event.target.closest("button");
    if (!focused) return;
    const items = [...cards.children];
    const across = items.filter(item => item.offsetTop === items[0].offsetTop).length;
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
    const target = items[Number(focused.dataset.index) + by];
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
    // Closed by the reader, not by going back: the address is that of the selection again.
    if (!closing) history.replaceState(null, "", selection());
    closing = false;
    while (cards.children.length <= opened) grow();
    cards.children[opened].firstChild.focus();
  });

  // A cell is found by its position, whether the matrix is drawn as shapes or as one image.
  for (const matrix of document.querySelectorAll(".matrix")) {
    const plot = matrix.querySelector("[id$='-plot-area']"), { recipe } = matrix.dataset;
    const size = classes.length, cursor = element("button", null, "cursor");
    const counts = new Map();
    for (const entry of cases) {
      if (entry.recipe !== Number(recipe)) continue;
      for (const answer of Object.keys(entry.answers)) {
        const key = `${images.true[entry.image]} ${answer}`;
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
        ? `${classes[trueClass]}, classified correctly: no failed cases; the arrow keys move to other cells`
        : `true ${classes[trueClass]}, predicted ${classes[predicted]}: ${count} failed ${count === 1 ? "case" : "cases"}; ` +
          "Enter shows them, the arrow keys move");
      cursor.title = trueClass === predicted
        ? classes[trueClass] : `${classes[trueClass]} → ${classes[predicted]}: ${count}`;
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
      const hovered = under(event);
      if (hovered) move(...hovered);
    });
    matrix.addEventListener("click", event => {
      // A click made by a key has no position.
      const clicked = event.detail === 0 && event.target === cursor ? cell : under(event);
      if (clicked) move(...clicked);
      if (clicked) show();
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
  for (const figure of document.querySelectorAll(".multiples figure")) {
    const button = element("button", "Enlarge", "enlarge");
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      const enlarged = figure.classList.toggle("enlarged");
      button.setAttribute("aria-pressed", String(enlarged));
      button.textContent = enlarged ? "Make smaller" : "Enlarge";
      figure.scrollIntoView({ block: "nearest" });
    });
    figure.querySelector(".names").append(button);
  }
  byId("gallery").hidden = false;
  filter();
  addEventListener("popstate", event => {
    route();
    if (event.state) scrollTo({ top: event.state.top, behavior: "instant" });
  });
  route();
})();
