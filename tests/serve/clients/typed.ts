// Runs the FLUX workflow with a picture, by a client whose types are generated from the service's own description.
//
// node typed.js URL PICTURE RESULT

import { readFileSync, writeFileSync } from "node:fs";
import createClient from "openapi-fetch";
import type { paths } from "./service.js";

const [url, picture, result] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: url });
const image = `data:image/png;base64,${readFileSync(picture).toString("base64")}`;
const { data: run, error } = await client.POST("/workflows/flux/runs", {
  params: { header: { Prefer: "wait=300" } },
  body: {
    prompt: "a lighthouse",
    image,
    num_steps: 4,
    denoising_start: 0.7,
    model: "tiny-flux-dev",
    t5_encoder_model: "tiny-t5",
    clip_embed_model: "tiny-clip-l",
    vae_model: "tiny-FLUX.1-schnell_ae",
  },
});
if (!run) {
  throw new Error(error?.detail);
}
if (run.state !== "completed") {
  throw new Error(run.problem?.detail ?? run.state);
}
const file = await client.GET("/runs/{id}/outputs/{n}", {
  params: { path: { id: run.id, n: run.outputs[0].n } },
  parseAs: "arrayBuffer",
});
writeFileSync(result, Buffer.from(file.data as unknown as ArrayBuffer));
const again = await client.GET("/runs/{id}", { params: { path: { id: run.id } } });
const output = again.data?.outputs[0];
if (output?.kind !== "image") {
  throw new Error(`no picture, but ${output?.kind}`);
}
console.log(output.width, output.height);
