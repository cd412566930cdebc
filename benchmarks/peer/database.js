/* The peer's tables and its connection pool. */

import pg from "pg";

import { settings } from "./settings.js";

export const pool = new pg.Pool({ connectionString: settings.databaseUrl, max: settings.poolSize });

const SCHEMA = `
CREATE TABLE IF NOT EXISTS receipts (
  webhook_id text PRIMARY KEY,
  shop text NOT NULL,
  topic text NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS members (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  shop text NOT NULL,
  customer_id text NOT NULL,
  email text,
  points bigint NOT NULL DEFAULT 0,
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (shop, customer_id)
);
CREATE TABLE IF NOT EXISTS ledger (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  shop text NOT NULL,
  member_id bigint NOT NULL REFERENCES members (id),
  source text NOT NULL,
  points bigint NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (shop, source)
);`;

/** Create the tables unless they are there; server and worker may both come first. */
export async function migrate() {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    await client.query("SELECT pg_advisory_xact_lock(1)");
    await client.query(SCHEMA);
    await client.query("COMMIT");
  } finally {
    client.release();
  }
}

/** Run `work(client)` in one transaction on one connection. */
export async function transaction(work) {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    const result = await work(client);
    await client.query("COMMIT");
    return result;
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    client.release();
  }
}
