// Elements: made of text only, and put in place without losing what the reader has focused, opened or selected.

import { to } from "./address.js";

function make(namespace, tag, rest) {
	const [[name, id], ...classes] = tag.split(".").map((part) => part.split("#"));
	const node = document.createElementNS(namespace, name);
	if (classes.length) node.classList.add(...classes.flat());
	if (id) node.id = id;
	const isGiven = Object.getPrototypeOf(rest[0] ?? "") === Object.prototype;
	for (const [attribute, value] of Object.entries(isGiven ? rest.shift() : {})) {
		if (value !== undefined && value !== null) node.setAttribute(attribute, value);
	}
	node.append(...rest.flat(Infinity).filter((child) => child || child === 0));
	return node;
}

// `el("p#id.soft", { title: "…" }, children)`: the attributes may be left out, and a child that is no value is none.
export const el = (tag, ...rest) => make("http://www.w3.org/1999/xhtml", tag, rest);
export const svg = (tag, ...rest) => make("http://www.w3.org/2000/svg", tag, rest);
export const none = (...children) => el("p.none", ...children);

// A sender's text: shown whole when hovered, and never mixed with the direction of what is beside it.
export function named(text, of = "name") {
	return el(`bdi.${of}`, { title: text.length > 24 ? text : null }, text);
}

export const link = (href, ...children) => el("a", { href }, children);
export const unseen = (text) => el("span.unseen", text);

export function section(id, heading, ...children) {
	return el(`section.${id}`, { "aria-labelledby": id, "data-key": id }, el(`h2#${id}`, heading), children);
}

export function pages({ cursor, ...address }, next) {
	return el("p.pages", cursor && link(to(address), "Back to the first"), next && link(to({ ...address, cursor: next.cursor }), "More"));
}

// A table keeps its roles when a stylesheet lays it out as something else.
export function table(of, caption, columns, ...bodies) {
	const head = columns.map((column) => el("th", { role: "columnheader", scope: "col" }, column));
	return el(`table.${of}`, { role: "table" },
		el("caption.unseen", caption), el("thead", { role: "rowgroup" }, row(null, head)), bodies);
}

export const body = (key, ...rows) => el("tbody", { role: "rowgroup", "data-key": key }, rows);
export const row = (attributes, ...cells) => el("tr", { role: "row", ...attributes }, cells);
export const cell = (of, ...children) => el("td", { role: "cell", class: of }, children);

export const rowHeader = (of, ...children) => el("th", { role: "rowheader", scope: "row", class: of }, children);

const key = (node) => node.dataset?.key;
const isSame = (one, other) => one.nodeName === other.nodeName && key(one) === key(other);

// Makes the children of `old` what those of `fresh` are; what is there already stays the same element.
export function morph(old, fresh) {
	const kept = new Set([...fresh.children].map(key));
	// What is gone goes first: an element that is moved loses the focus.
	for (const child of [...old.children]) if (key(child) && !kept.has(key(child))) child.remove();
	const keyed = new Map([...old.children].filter(key).map((child) => [key(child), child]));
	let here = old.firstChild;
	for (const next of [...fresh.childNodes]) {
		const known = key(next) ? keyed.get(key(next)) : here;
		if (!known || !isSame(known, next)) {
			if (key(next)) next.classList.add("fresh");
			old.insertBefore(next, here);
			continue;
		}
		if (known === here) here = here.nextSibling;
		else old.insertBefore(known, here);
		if (known.nodeType === Node.TEXT_NODE) {
			if (known.data !== next.data) known.data = next.data;
		} else {
			syncAttributes(known, next);
			morph(known, next);
		}
	}
	while (here) {
		const gone = here;
		here = here.nextSibling;
		gone.remove();
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
