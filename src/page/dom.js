// Builds elements from text, never from HTML, and updates the page without losing focus, open details or the selection.

import { hrefTo } from "./address.js";

function make(namespace, tag, rest) {
	const [[name, id], ...classes] = tag.split(".").map((part) => part.split("#"));
	const node = document.createElementNS(namespace, name);
	node.classList.add(...classes.flat());
	if (id) node.id = id;
	const hasAttributes = Object.getPrototypeOf(rest[0] ?? "") === Object.prototype;
	for (const [attribute, value] of Object.entries(hasAttributes ? rest.shift() : {})) {
		if ((value ?? null) !== null) node.setAttribute(attribute, value);
	}
	node.append(...rest.flat(Infinity).filter((child) => child || child === 0));
	return node;
}

// `el("p#id.class", { title: "…" }, children)`: the attributes are optional, and empty children are ignored.
export const el = (tag, ...rest) => make("http://www.w3.org/1999/xhtml", tag, rest);
export const svg = (tag, ...rest) => make("http://www.w3.org/2000/svg", tag, rest);
export const note = (...children) => el("p.note", ...children);

// A text from a sender. Its writing direction does not affect its surroundings; the title shows a long text in full.
export function bdi(text, name = "name") {
	return el(`bdi.${name}`, { title: text.length > 24 ? text : null }, text);
}

export const link = (href, ...children) => el("a", { href }, children);

export function section(id, heading, ...children) {
	return el(`section.${id}`, { "aria-labelledby": id, "data-key": id }, el(`h2#${id}`, heading), children);
}

export function pager({ cursor, ...address }, next) {
	return el("p.pager", cursor && link(hrefTo(address), "First page"), next && link(hrefTo({ ...address, cursor: next.cursor }), "Next page"));
}

// The explicit roles remain when a style sheet changes the display of a table.
export function table(name, caption, columns, ...bodies) {
	const head = columns.map((column) => el("th", { role: "columnheader", scope: "col" }, column));
	return el(`table.${name}`, { role: "table" },
		el("caption.sr-only", caption), el("thead", { role: "rowgroup" }, row(null, head)), bodies);
}

export const tbody = (key, ...rows) => el("tbody", { role: "rowgroup", "data-key": key }, rows);
export const row = (attributes, ...cells) => el("tr", { role: "row", ...attributes }, cells);
export const cell = (name, ...children) => el("td", { role: "cell", class: name }, children);
export const rowHeader = (name, ...children) => el("th", { role: "rowheader", scope: "row", class: name }, children);

const key = (node) => node.dataset?.key;
const isSame = (one, other) => one.nodeName === other.nodeName && key(one) === key(other);

// Changes the children of `old` into those of `fresh` and reuses elements with the same key.
export function morph(old, fresh) {
	const keys = new Set([...fresh.children].map(key));
	// Removes obsolete elements first: moving an element would take its focus.
	for (const child of [...old.children]) if (key(child) && !keys.has(key(child))) child.remove();
	const keyed = new Map([...old.children].filter(key).map((child) => [key(child), child]));
	let here = old.firstChild;
	for (const next of [...fresh.childNodes]) {
		const match = key(next) ? keyed.get(key(next)) : here;
		if (!match || !isSame(match, next)) {
			if (key(next)) next.classList.add("fresh");
			old.insertBefore(next, here);
			continue;
		}
		if (match === here) here = here.nextSibling;
		else old.insertBefore(match, here);
		if (match.nodeType === Node.TEXT_NODE) {
			if (match.data !== next.data) match.data = next.data;
		} else {
			syncAttributes(match, next);
			morph(match, next);
		}
	}
	while (here) {
		const obsolete = here;
		here = here.nextSibling;
		obsolete.remove();
	}
}

function syncAttributes(old, fresh) {
	for (const { name } of [...old.attributes]) {
		if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
	}
	for (const { name, value } of fresh.attributes) {
		if (old.getAttribute(name) !== value) old.setAttribute(name, value);
	}
}
