// The view of all environments: the current version of each component in each environment.

import { componentHref, isFiltered } from "./address.js";
import { get } from "./api.js";
import { links } from "./deploy.js";
import { bdi, cell, el, link, note, pager, row, rowHeader, section, table, tbody } from "./dom.js";
import { time } from "./format.js";

const PAGE = 200;

export const title = () => "Environments · deploylog";

export async function load({ component, environment, cursor }, signal) {
	const { body: current, next } = await get("api/current", { component, environment, cursor, limit: PAGE }, signal);
	return { current, next };
}

export function show({ current, next }, address) {
	return [el("h1.sr-only", "Environments"),
		section("current", "Current versions",
			current.length ? currentTable(current) : note(isFiltered(address) ? "No deploys match these filters." : "No deploys have succeeded yet."),
			pager(address, next))];
}

function currentTable(current) {
	const rows = current.map((deploy, index) => {
		const isRepeated = current[index - 1]?.component === deploy.component;
		return row({ class: isRepeated ? "repeated" : null, "data-key": JSON.stringify([deploy.component, deploy.environment]) },
			rowHeader("component", link(componentHref(deploy), bdi(deploy.component))),
			cell("environment", deploy.environment ? bdi(deploy.environment) : "–"),
			cell("is-version", bdi(deploy.version, "version")),
			cell("previous", deploy.previous_version && [el("span.phone", "previous: "), bdi(deploy.previous_version, "version")]),
			cell("time", time(deploy.since)),
			cell("owner", bdi(deploy.owner)),
			cell("run", links(deploy)));
	});
	return table("current", "Current versions",
		["Component", "Environment", "Version", "Previous", "Since", "Owner", "Run"], tbody("all", rows));
}
