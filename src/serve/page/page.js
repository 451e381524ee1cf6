"use strict";

// Each form of the page stands for a workflow. Texts of the service are shown as text, never as markup.

function show(section, run) {
  const named = run.progress && (run.progress.message || run.progress.node);
  section.querySelector(".state").textContent = run.state + (named ? ": " + named : "");
  const bar = section.querySelector("progress");
  bar.value = run.state === "completed" ? 1 : (run.progress ? run.progress.fraction : 0);
}

function finish(section, run) {
  show(section, run);
  section.querySelector(".preview").hidden = true;
  section.querySelector(".cancel").hidden = true;
  section.querySelector("button[type=submit]").disabled = false;
  if (run.problem) {
    complain(section, run.problem);
  }
  for (const output of run.outputs) {
    if ("value" in output) {
      const given = document.createElement("p");
      given.className = "value";
      given.textContent = `${output.node}: ${typeof output.value === "string" ? output.value : JSON.stringify(output.value)}`;
      section.querySelector(".outputs").append(given);
      continue;
    }
    const shown = document.createElement(output.kind === "video" ? "video" : "img");
    if (output.kind === "video") {
      shown.controls = true;
    }
    shown.alt = output.node;
    shown.addEventListener("load", () => section.dataset.shown = Number(section.dataset.shown || 0) + 1);
    shown.src = output.href;
    const link = document.createElement("a");
    link.href = output.href;
    link.append(shown);
    section.querySelector(".outputs").append(link);
  }
  section.dataset.state = run.state;
}

function complain(section, problem) {
  section.querySelector(".state").textContent = problem.detail || problem.title || "It did not work.";
  for (const error of problem.errors || []) {
    const name = error.field.replace(/\[\d+\]$/, "");
    const field = section.querySelector(`.field[data-field="${CSS.escape(name)}"] .wrong`);
    if (field) {
      field.textContent = error.value === null ? error.accepted : `${error.value} is not accepted; it takes ${error.accepted}`;
    }
  }
}

function follow(section, run) {
  show(section, run);
  if (!["pending", "running"].includes(run.state)) {
    finish(section, run);
    return;
  }
  const cancel = section.querySelector(".cancel");
  cancel.hidden = false;
  cancel.onclick = () => fetch(run.links.self, { method: "DELETE" });
  const events = new EventSource(run.links.events);
  events.addEventListener("run", (event) => show(section, JSON.parse(event.data)));
  events.addEventListener("preview", (event) => {
    const picture = JSON.parse(event.data);
    const preview = section.querySelector(".preview");
    preview.src = picture.data;
    preview.width = picture.width;
    preview.height = picture.height;
    preview.hidden = false;
    section.dataset.previews = Number(section.dataset.previews || 0) + 1;
  });
  events.addEventListener("end", (event) => {
    events.close();
    finish(section, JSON.parse(event.data));
  });
  // A browser connects again by itself unless it was refused, as where too many follow runs.
  events.addEventListener("error", () => {
    if (events.readyState === EventSource.CLOSED) {
      setTimeout(() => look(section, run), 2000);
    }
  });
}

async function look(section, run) {
  let told = run;
  try {
    const answer = await fetch(run.links.self);
    if (answer.status === 404) {
      complain(section, await answer.json());
      section.querySelector("button[type=submit]").disabled = false;
      return;
    }
    told = answer.ok ? await answer.json() : run;
  } catch (error) {
    section.querySelector(".state").textContent = `The service does not answer: ${error.message}`;
  }
  follow(section, told);
}

async function start(form) {
  const section = form.closest("section");
  const button = form.querySelector("button[type=submit]");
  button.disabled = true;
  section.querySelector(".run").hidden = false;
  section.querySelector(".outputs").replaceChildren();
  section.querySelector(".state").textContent = "sending";
  for (const wrong of section.querySelectorAll(".wrong")) {
    wrong.textContent = "";
  }
  for (const key of ["state", "shown", "previews"]) {
    delete section.dataset[key];
  }
  const body = new FormData(form);
  for (const box of form.querySelectorAll("input[type=checkbox]")) {
    body.set(box.name, box.checked ? "true" : "false");
  }
  try {
    const answer = await fetch(form.dataset.address, { method: "POST", body });
    const told = await answer.json();
    if (answer.ok) {
      follow(section, told);
      return;
    }
    complain(section, told);
  } catch (error) {
    section.querySelector(".state").textContent = `The service does not answer: ${error.message}`;
  }
  section.dataset.state = "refused";
  button.disabled = false;
}

for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    start(form);
  });
}
