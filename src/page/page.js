// The page: loads the view that the address names, shows it and keeps it up to date.

import { currentAddress, runHref } from "./address.js";
import { Problem } from "./api.js";
import * as component from "./component.js";
import { tick } from "./deploy.js";
import * as deploys from "./deploys.js";
import { el, morph, note } from "./dom.js";
import * as environments from "./environments.js";
import { EventStream } from "./events.js";
import { showFilters, suggestNames, watchFilters } from "./filters.js";
import { zoneName } from "./format.js";
import * as run from "./run.js";
import { isDenied, storeToken, storedToken, tokenForm } from "./token.js";
import { loadTypical } from "./typical.js";

const REFRESH_MS = 1000;
const RETRY_MS = 5000;

const byId = (id) => document.getElementById(id);
const viewOf = ({ view }) => ({ environments, component, run })[view] ?? deploys;
let [address, quietUntil] = [{}, 0];
let data, isInitial, isLive, loading, refreshTimer, resizeTimer;
// The error of the last load, and the reason why there are no live events.
let loadProblem, liveProblem;
// Records to announce to screen readers after the next load.
let recorded = [];

// Loads and shows the current view. The old data stays visible meanwhile, and also if loading fails.
async function load() {
	clearTimeout(refreshTimer);
	refreshTimer = undefined;
	loading?.abort();
	const { signal } = (loading = new AbortController());
	const [view, start] = [viewOf(address), performance.now()];
	try {
		data = await view.load(address, signal);
		loadProblem = undefined;
		show();
		announce();
		if (view !== environments && (await loadTypical(address, signal))) show();
	} catch (error) {
		if (signal.aborted) return;
		if (isDenied(error)) data = undefined;
		loadProblem = error instanceof Problem ? error : new Problem("This page has an error.", String(error));
		show();
		// Repeating a client error (4xx) would not help.
		if (!(error.status < 500)) refreshTimer = setTimeout(load, RETRY_MS);
	}
	loading = undefined;
	quietUntil = performance.now() + Math.max(REFRESH_MS, 3 * (performance.now() - start));
}

// Schedules a load after the current one. The pause is longer if loading is slow.
function refresh() {
	refreshTimer ??= setTimeout(() => {
		refreshTimer = undefined;
		if (loading || performance.now() < quietUntil) refresh();
		else load();
	}, Math.max(50, quietUntil - performance.now()));
}

function show() {
	const main = byId("main");
	const shown = data
		? viewOf(address).show(data, address, main.clientWidth)
		: [el("h1.sr-only", "deploylog"), isDenied(loadProblem) ? tokenForm(loadProblem) : note(loadProblem ? "No data could be loaded." : "Loading …")];
	main.classList.toggle("initial", isInitial);
	isInitial = !data;
	morph(main, el("main", shown));
	main.setAttribute("aria-busy", !data && !loadProblem);
	showStatus();
}

function showStatus() {
	const problem = loadProblem?.status ? loadProblem : liveProblem ?? loadProblem;
	byId("problem").hidden = !problem || isDenied(problem);
	byId("remove-token").hidden = !storedToken();
	byId("problem-text").replaceChildren(el("strong", problem?.title), " ", problem?.detail ?? "");
	byId("live").className = isLive ? "is-live" : "";
	byId("live").textContent = isLive ? "Live" : liveProblem ? "Disconnected" : "Connecting";
}

function go(href) {
	history.pushState(null, "", href);
	navigate();
	scrollTo(0, 0);
	byId("main").focus({ preventScroll: true });
}

function navigate() {
	const before = viewOf(address);
	address = currentAddress();
	const view = viewOf(address);
	loadProblem = undefined;
	document.title = view.title(address);
	for (const [id, target] of [["nav-deploys", deploys], ["nav-environments", environments]]) byId(id).ariaCurrent = view === target ? "page" : null;
	showFilters(address);
	if (view !== before || !data) {
		[data, isInitial] = [undefined, true];
		show();
	}
	// Filters events only by fields that all records of a deploy share; a stage can lack the environment of its run.
	events.follow({ component: address.component, environment: view === run ? undefined : address.environment, run: address.run });
	load();
}

const events = new EventStream({
	open() {
		[isLive, liveProblem] = [true, undefined];
		showStatus();
		if (loadProblem) load();
		else refresh();
	},
	event(name, record) {
		// Only the view of a run shows stages.
		if (record.stage && address.view !== "run") return;
		if (name === "recorded" && !record.stage && !["noted", "skipped"].includes(record.phase)) recorded.push(record);
		refresh();
	},
	disconnected(problem, wait) {
		const reason = problem?.status ? `${problem.title}: ${problem.detail}. ` : "";
		const detail = `${reason}The data may be outdated. Retrying in ${Math.ceil(wait / 1000)} s.`;
		[isLive, liveProblem] = [false, new Problem("Live updates are interrupted.", detail)];
		showStatus();
		if (problem?.status) refresh();
	},
});

function announce() {
	const texts = recorded.map((record) => `${record.component} ${record.version} ${record.phase}${record.environment ? ` in ${record.environment}` : ""}`);
	if (texts.length) byId("announcements").textContent = texts.length < 4 ? texts.join(", ") : `${texts.length} deploys started or finished`;
	recorded = [];
}

document.addEventListener("click", (event) => {
	const button = event.target.closest("#copy");
	if (button) deploys.copyCommand(button);
	const link = event.target.closest("a");
	const href = link?.getAttribute("href");
	const isPlain = !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
	const pointed = link ? undefined : component.pointAt(event);
	if (/^(\.\/|\?)/.test(href) && isPlain) {
		event.preventDefault();
		go(href);
	} else if (pointed?.run) go(runHref(pointed));
});

function retry() {
	events.reconnect();
	load();
}

byId("retry").onclick = retry;
byId("remove-token").onclick = () => {
	storeToken("");
	retry();
};
document.addEventListener("submit", (event) => {
	if (event.target.id !== "token-form") return;
	event.preventDefault();
	storeToken(event.target.elements.token.value);
	retry();
});
document.addEventListener("pointermove", component.pointAt);
addEventListener("popstate", navigate);
addEventListener("resize", () => {
	clearTimeout(resizeTimer);
	resizeTimer = setTimeout(show, 150);
});
watchFilters(go);
byId("filters").addEventListener("focusin", () => suggestNames().catch(() => {}), { once: true });
byId("zone").textContent = `Times are in ${zoneName()}. Hover over a time for UTC.`;
setInterval(tick, 1000);
navigate();
