// What is where: the last succeeded deploy of every component and environment.

import { toComponent } from "./address.js";
import { read } from "./api.js";
import { body, cell, el, link, named, none, pages, row, rowHeader, section, table } from "./dom.js";
import { links } from "./deploy.js";
import { moment } from "./format.js";

const PAGE = 200;

export const title = () => "What is where · deploylog";

export async function load({ component, environment, cursor }, signal) {
	const { body: places, next } = await read("api/current", { component, environment, cursor, limit: PAGE }, signal);
	return { places, next };
}

export function show({ places, next }, address) {
	return [el("h1.unseen", "What is where"),
		section("where", "The last that succeeded", places.length ? placesTable(places) : none("No deploy like this has succeeded."), pages(address, next))];
}

function placesTable(places) {
	const rows = places.map((place, index) => {
		const isSame = places[index - 1]?.component === place.component;
		return row({ class: isSame ? "same" : null, "data-key": JSON.stringify([place.component, place.environment]) },
			rowHeader("what", link(toComponent(place), named(place.component))),
			cell("place", place.environment ? named(place.environment) : "–"),
			cell("is-version", named(place.version, "version")),
			cell("before", place.previous_version && [el("span.word", "before: "), named(place.previous_version, "version")]),
			cell("when", moment(place.since)),
			cell("owner", named(place.owner)),
			cell("run", links(place)));
	});
	return table("where", "What is where, by component and environment",
		["Component", "Environment", "Version", "Before", "Since", "By", "Run"], body("all", rows));
}
