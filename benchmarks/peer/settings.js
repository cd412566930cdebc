/* Every setting of the peer, read once from the environment, and its connections to Redis. */

import Redis from "ioredis";

export const QUEUE = "webhooks";
export const settings = {
  port: Number(process.env.PORT ?? 3000),
  // a socket in the file system, or a port of this machine
  redis: process.env.REDIS_SOCKET ? { path: process.env.REDIS_SOCKET } : { port: Number(process.env.REDIS_PORT ?? 6379) },
  databaseUrl: process.env.DATABASE_URL ?? "postgres://postgres@127.0.0.1:5432/postgres",
  secret: process.env.SHOPIFY_API_SECRET ?? "",
  // 5 webhooks a second and shop, bursts of 50, unless a measurement lifts the limit
  isLifted: process.env.LIFT_LIMITS === "1",
  concurrency: Number(process.env.CONCURRENCY ?? 50),
  poolSize: Number(process.env.POOL_SIZE ?? 20),
};

/** A connection for BullMQ or the limiter. */
export const connect = () => new Redis({ ...settings.redis, maxRetriesPerRequest: null });
