// What keeps people from using a page. Each function returns a list of sentences.
//
// all: controls and pictures without a name, headings that skip a level, ids that are used twice, a page that is wider
// than its window, targets that are too small for a finger, a focus that the header covers, and everything in colours.
// colours: text and borders that cannot be seen, and a focus that does not show. Only these depend on the colour scheme.
// wide: a page that is wider than its window.
(() => {
  const shown = (e) => e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !e.closest('.unseen, .skip');
  const what = (e) => e.outerHTML.slice(0, 120);
  const controls = 'button, a[href], input:not([type=hidden]), select, textarea, summary';

  // once returns a function that keeps a sentence unless it has kept one for the same key.
  const once = (found) => {
    const told = new Set();
    return (key, sentence) => {
      if (!told.has(key)) found.push(sentence());
      told.add(key);
    };
  };

  function structure() {
    const found = [];
    for (const e of document.querySelectorAll(`${controls}, iframe, [role=img]`)) {
      const name = e.getAttribute('aria-label') || e.title || e.textContent.trim() || [...(e.labels ?? [])].map((l) => l.textContent).join('');
      if (!name) found.push(`no name: ${what(e)}`);
    }
    const names = [...document.querySelectorAll('.accounts :is(button, summary)')].map((e) => e.getAttribute('aria-label') ?? e.textContent);
    for (const name of new Set(names.filter((n, i) => names.indexOf(n) !== i))) found.push(`more than one is called ${name}`);
    for (const e of document.querySelectorAll('img:not([alt])')) found.push(`no alternative: ${what(e)}`);

    let level = 0;
    for (const e of document.querySelectorAll('main :is(h1, h2, h3, h4)')) {
      const now = Number(e.tagName[1]);
      if (now > level + 1) found.push(`a heading skips a level: ${what(e)}`);
      level = now;
    }
    if (document.querySelectorAll('main h1').length !== 1) found.push('there is not one h1');
    if (!document.title || !document.documentElement.lang) found.push('no title, or no language');

    const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
    for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) found.push(`id used twice: ${id}`);
    for (const attribute of ['aria-labelledby', 'aria-describedby', 'aria-controls', 'for']) {
      for (const e of document.querySelectorAll(`[${attribute}]`)) {
        for (const id of e.getAttribute(attribute).split(' ')) if (!document.getElementById(id)) found.push(`${attribute} leads nowhere: ${what(e)}`);
      }
    }

    const tell = once(found);
    for (const e of document.querySelectorAll('button, select, input, summary')) {
      const box = e.getBoundingClientRect();
      if (shown(e) && !e.classList.contains('link') && (box.height < 24 || box.width < 24)) tell(e.className, () => `too small: ${what(e)}`);
    }
    return found;
  }

  function wide() {
    const page = document.scrollingElement;
    const by = page.scrollWidth - page.clientWidth;
    if (by <= 0) return [];
    const inside = (e) => e && (getComputedStyle(e).overflowX !== 'visible' || inside(e.parentElement !== document.body && e.parentElement));
    const who = [...document.querySelectorAll('body *')].find((e) => e.getBoundingClientRect().right > page.clientWidth && !inside(e.parentElement));
    return [`wider than its window by ${by}: ${who ? what(who) : '?'}`];
  }

  // focused calls look for everything that Tab stops at, backwards, as Shift+Tab goes.
  function focused(options, look) {
    const before = document.activeElement;
    const stops = [...document.querySelectorAll(`${controls}, [tabindex="0"]`)].filter((e) => shown(e) && !e.disabled && e.tabIndex >= 0);
    for (const e of stops.filter((e) => !document.querySelector('dialog[open]') || e.closest('dialog')).reverse()) {
      e.focus(options);
      look(e);
    }
    before?.focus?.({ preventScroll: true });
  }

  // covered: the header stays at the top and must not cover what has the focus.
  function covered() {
    const found = [];
    const tell = once(found);
    focused({}, (e) => {
      const box = e.getClientRects()[0];
      const top = document.elementFromPoint(box.x + Math.min(box.width / 2, 20), box.y + Math.min(box.height / 2, 12));
      if (top?.closest('header.top') && !e.closest('header.top')) tell(`${e.tagName} ${e.className}`, () => `the focus is covered: ${what(e)}`);
    });
    return found;
  }

  function colours() {
    const found = [];
    const tell = once(found);
    const colour = (text) => (text.match(/[\d.]+/g) ?? []).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
    const backs = new Map();
    const behind = (e) => {
      if (!e) return colour(getComputedStyle(document.body).backgroundColor);
      if (!backs.has(e)) {
        const c = colour(getComputedStyle(e).backgroundColor);
        backs.set(e, c.length === 3 || c[3] === 1 ? c : behind(e.parentElement));
      }
      return backs.get(e);
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const e = texts.currentNode.parentElement;
      if (!texts.currentNode.textContent.trim() || !shown(e) || e.closest(':disabled, .button:not([href]), option')) continue;
      const style = getComputedStyle(e);
      const got = contrast(colour(style.color), behind(e));
      const size = parseFloat(style.fontSize);
      const enough = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
      if (got < enough) tell(style.color + behind(e), () => `contrast ${got.toFixed(2)}: ${what(e)}`);
    }
    for (const e of document.querySelectorAll('input:not([type=file]), select, textarea')) {
      if (!shown(e)) continue;
      const border = contrast(colour(getComputedStyle(e).borderTopColor), behind(e.parentElement));
      if (border < 3) tell(`border ${border}`, () => `border contrast ${border.toFixed(2)}: ${what(e)}`);
      const hint = getComputedStyle(e, '::placeholder');
      const back = behind(e);
      const mixed = colour(hint.color).slice(0, 3).map((v, i) => v * Number(hint.opacity) + back[i] * (1 - Number(hint.opacity)));
      if (e.placeholder && contrast(mixed, back) < 4.5) tell(`placeholder ${mixed}`, () => `placeholder contrast ${contrast(mixed, back).toFixed(2)}: ${what(e)}`);
    }
    focused({ preventScroll: true }, (e) => {
      const style = getComputedStyle(e);
      const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 ? contrast(colour(style.outlineColor), behind(e.parentElement)) : 0;
      if (ring < 3) tell(`ring ${e.tagName} ${e.className}`, () => `the focus does not show: ${what(e)}`);
    });
    return found;
  }

  return { colours, wide, all: () => [...structure(), ...wide(), ...colours(), ...covered()] };
})()
