// push.js ORG TYPE KEY < PAYLOAD - one job; prints its id. No answer? The same again, with the same key.
const fs = require("fs");
const { createClient } = require("redis");

async function push([org, type, key]) {
  const client = createClient({ url: process.env.REDIS_URL || "redis://127.0.0.1:6379" });
  await client.connect();
  const id = await client.xAdd("rota:inbox", "*", { org, type, key, payload: fs.readFileSync(0) }, { NOMKSTREAM: true });
  await client.quit();
  if (!id) throw new Error("no rota:inbox in this Redis");
  console.log(id);
}
push(process.argv.slice(2)).catch((err) => { console.error(err.message); process.exit(1); });
