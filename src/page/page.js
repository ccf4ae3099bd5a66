// The page: what the address names is loaded, shown, and kept up to date.

import { address, toRun } from "./address.js";
import { Problem } from "./api.js";
import * as component from "./component.js";
import { tick } from "./deploy.js";
import * as deploys from "./deploys.js";
import { el, morph, none } from "./dom.js";
import { Events } from "./events.js";
import { showFilters, suggestNames, watchFilters } from "./filters.js";
import { zoneName } from "./format.js";
import * as run from "./run.js";
import { held, isDenied, keep, tokenForm } from "./token.js";
import { readUsual } from "./usual.js";
import * as where from "./where.js";

const REFRESH_MS = 1000;
const AGAIN_MS = 5000;

const at = (id) => document.getElementById(id);
const viewOf = ({ view }) => ({ where, component, run })[view] ?? deploys;
// `problem`: why what is shown could not be loaded; `lost`: why it is not live.
const state = { here: {}, quietUntil: 0 };
let news = [];

// Loads what the address names and shows it; what was shown before stays until then, and where that fails.
async function load() {
	clearTimeout(state.refresh);
	state.refresh = undefined;
	state.loading?.abort();
	const loading = new AbortController();
	const [view, began] = [viewOf(state.here), performance.now()];
	state.loading = loading;
	try {
		state.data = await view.load(state.here, loading.signal);
		state.problem = undefined;
		show();
		tell();
		if (view !== where && (await readUsual(state.here, loading.signal))) show();
	} catch (error) {
		if (loading.signal.aborted) return;
		if (isDenied(error)) state.data = undefined;
		state.problem = error instanceof Problem ? error : new Problem("This page has a fault.", String(error));
		show();
		// What was asked for wrongly stays wrong.
		if (!(error.status < 500)) state.refresh = setTimeout(load, AGAIN_MS);
	}
	state.loading = undefined;
	state.quietUntil = performance.now() + Math.max(REFRESH_MS, 3 * (performance.now() - began));
}

// Loads again soon; not while that is under way, and the slower the service the less often.
function refresh() {
	state.refresh ??= setTimeout(() => {
		state.refresh = undefined;
		if (state.loading || performance.now() < state.quietUntil) refresh();
		else load();
	}, Math.max(50, state.quietUntil - performance.now()));
}

function show() {
	const main = at("main");
	const waiting = state.problem ? "Nothing can be shown." : "Loading …";
	const shown = state.data
		? viewOf(state.here).show(state.data, state.here, main.clientWidth)
		: [el("h1.unseen", "deploylog"), isDenied(state.problem) ? tokenForm(state.problem) : none(waiting)];
	main.classList.toggle("first", state.isFirst);
	state.isFirst = !state.data;
	morph(main, el("main", shown));
	main.setAttribute("aria-busy", !state.data && !state.problem);
	showState();
}

function showState() {
	const problem = state.problem?.status ? state.problem : state.lost ?? state.problem;
	at("lost").hidden = !problem || isDenied(problem);
	at("forget").hidden = !held();
	at("lost-title").textContent = problem?.title;
	at("lost-detail").textContent = problem?.detail;
	at("live").className = state.isLive ? "is-live" : "";
	at("live").textContent = state.isLive ? "Live" : state.lost ? "Not live" : "Connecting";
}

function go(href) {
	history.pushState(null, "", href);
	arrive();
	scrollTo(0, 0);
	at("main").focus({ preventScroll: true });
}

function arrive() {
	const before = viewOf(state.here);
	state.here = address();
	const view = viewOf(state.here);
	state.problem = undefined;
	document.title = view.title(state.here);
	for (const [id, of] of [["nav-deploys", deploys], ["nav-where", where]]) at(id).ariaCurrent = view === of ? "page" : null;
	showFilters(state.here);
	if (view !== before || !state.data) {
		Object.assign(state, { data: undefined, isFirst: true });
		show();
	}
	// Only by what a start and its finish have in common; a stage may leave out its run's environment.
	const { component: name, environment, run: one } = state.here;
	events.follow({ component: name, environment: view === run ? undefined : environment, run: one });
	load();
}

const events = new Events({
	open() {
		Object.assign(state, { isLive: true, lost: undefined });
		showState();
		if (state.problem) load();
		else refresh();
	},
	event(name, record) {
		// A stage changes what is shown of its run, and no more.
		if (record.stage && state.here.view !== "run") return;
		if (name === "recorded" && !record.stage && !["noted", "skipped"].includes(record.phase)) news.push(record);
		refresh();
	},
	lost(problem, wait) {
		const why = problem?.status ? `${problem.title}: ${problem.detail}. ` : "";
		const detail = `${why}What is shown may be out of date. Trying again in ${Math.ceil(wait / 1000)} s.`;
		Object.assign(state, { isLive: false, lost: new Problem("The live connection is lost.", detail) });
		showState();
		if (problem?.status) refresh();
	},
});

// Says what is new to who does not see it.
function tell() {
	const said = news.map((record) => `${record.component} ${record.version} ${record.phase}${record.environment ? ` in ${record.environment}` : ""}`);
	if (said.length) at("said").textContent = said.length < 4 ? said.join(", ") : `${said.length} deploys started or finished`;
	news = [];
}

document.addEventListener("click", (event) => {
	const button = event.target.closest("#copy");
	if (button) deploys.copyCall(button);
	const link = event.target.closest("a");
	const href = link?.getAttribute("href");
	const isPlain = !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
	const pointed = link ? undefined : component.point(event);
	if (/^(\.\/|\?)/.test(href) && isPlain) {
		event.preventDefault();
		go(href);
	} else if (pointed?.run) go(toRun(pointed));
});
function again() {
	events.again();
	load();
}

at("again").addEventListener("click", again);
at("forget").addEventListener("click", () => {
	keep("");
	again();
});
document.addEventListener("submit", (event) => {
	if (event.target.id !== "give") return;
	event.preventDefault();
	keep(event.target.elements.token.value);
	again();
});
document.addEventListener("pointermove", component.point);
addEventListener("popstate", arrive);
addEventListener("resize", () => {
	clearTimeout(state.resize);
	state.resize = setTimeout(show, 150);
});
watchFilters(go);
at("filters").addEventListener("focusin", () => suggestNames().catch(() => {}), { once: true });
at("zone").textContent = `Times are in ${zoneName()}; point at one for UTC.`;
setInterval(tick, 1000);
arrive();
