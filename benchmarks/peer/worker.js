/* Turns queued webhooks into points: each job is one transaction. */

import { Worker } from "bullmq";

import { migrate, pool, transaction } from "./database.js";
import { QUEUE, connect, settings } from "./settings.js";

const cents = (amount) => Math.round(Number(amount) * 100);

/** Whole points of an order: one a whole unit of currency of its lines less discounts, gift cards left out. */
function pointsOf(order) {
  let net = 0;
  for (const line of order.line_items ?? []) {
    if (line.gift_card) continue;
    net += cents(line.price) * line.quantity;
    for (const discount of line.discount_allocations ?? []) net -= cents(discount.amount);
  }
  return Math.max(0, Math.floor(net / 100));
}

const isPaid = (topic) => topic === "ORDERS_PAID" || topic === "orders/paid";

async function handle({ data: { webhookId, topic, shop, body } }) {
  const order = JSON.parse(body);
  await transaction(async (client) => {
    const receipt = await client.query({
      name: "receipt",
      text: "INSERT INTO receipts (webhook_id, shop, topic) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
      values: [webhookId, shop, topic],
    });
    if (receipt.rowCount === 0 || !isPaid(topic) || !order.customer || order.test) return;
    const member = await client.query({
      name: "member",
      text: `INSERT INTO members (shop, customer_id, email) VALUES ($1, $2, $3)
             ON CONFLICT (shop, customer_id) DO UPDATE SET email = excluded.email, updated_at = now() RETURNING id`,
      values: [shop, String(order.customer.id), order.customer.email],
    });
    const points = pointsOf(order);
    const memberId = member.rows[0].id;
    const posted = await client.query({
      name: "ledger",
      text: "INSERT INTO ledger (shop, member_id, source, points) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
      values: [shop, memberId, `order:${order.id}`, points],
    });
    if (posted.rowCount === 0) return;
    await client.query({
      name: "balance",
      text: "UPDATE members SET points = points + $2 WHERE id = $1",
      values: [memberId, points],
    });
  });
}

await migrate();
const worker = new Worker(QUEUE, handle, { connection: connect(), concurrency: settings.concurrency });
worker.on("error", (error) => console.error(error));
worker.on("failed", (job, error) => console.error(job?.id, error));
process.once("SIGTERM", async () => {
  await worker.close();
  await pool.end();
  process.exit(0);
});
