/* Takes webhooks: checks the signature, applies the shop's limit, queues a job named by the webhook's id, answers 200. */

import "@shopify/shopify-api/adapters/node";

import { ApiVersion, LogSeverity, shopifyApi } from "@shopify/shopify-api";
import { Queue } from "bullmq";
import express from "express";
import { RateLimiterRedis } from "rate-limiter-flexible";

import { migrate } from "./database.js";
import { QUEUE, connect, settings } from "./settings.js";

const shopify = shopifyApi({
  apiKey: "dev-key",
  apiSecretKey: settings.secret,
  apiVersion: Object.values(ApiVersion).at(-1),
  hostName: "localhost",
  isEmbeddedApp: true,
  logger: { level: LogSeverity.Error },
});

const jobs = new Queue(QUEUE, {
  connection: connect(),
  defaultJobOptions: {
    attempts: 8,
    backoff: { type: "exponential", delay: 1000 },
    removeOnComplete: { age: 3600, count: 10_000 }, // for this long a webhook sent again is dropped by its id
    removeOnFail: { age: 7 * 86_400 },
  },
});

const limiter = new RateLimiterRedis({
  storeClient: connect(),
  keyPrefix: "limit",
  points: settings.isLifted ? 1_000_000_000 : 50,
  duration: 10,
});

const app = express();
app.disable("x-powered-by");
app.disable("etag");

app.post("/webhooks", express.raw({ type: "*/*", limit: "5mb" }), async (request, response) => {
  const rawBody = request.body.toString("utf8");
  const check = await shopify.webhooks.validate({ rawBody, rawRequest: request, rawResponse: response });
  if (!check.valid) {
    response.status(check.reason === "invalid_hmac" ? 401 : 400).end();
    return;
  }
  try {
    await limiter.consume(check.domain);
  } catch (refused) {
    if (refused instanceof Error) throw refused;
    response.set("Retry-After", String(Math.ceil(refused.msBeforeNext / 1000))).status(429).end();
    return;
  }
  const { webhookId, topic, domain } = check;
  await jobs.add(topic, { webhookId, topic, shop: domain, body: rawBody }, { jobId: webhookId });
  response.status(200).end();
});

await migrate();
const server = app.listen(settings.port, "127.0.0.1");
process.once("SIGTERM", () => server.close(() => process.exit(0)) && server.closeAllConnections());
