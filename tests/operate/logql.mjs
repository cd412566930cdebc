// Parses each of a JSON list of LogQL queries on stdin by Grafana's own grammar; prints those with an error.
import { parser } from "@grafana/lezer-logql";
import { readFileSync } from "node:fs";

const bad = JSON.parse(readFileSync(0, "utf8")).filter((query) => {
  let isBad = false;
  parser.parse(query).iterate({ enter: (node) => void (isBad ||= node.type.isError) });
  return isBad;
});
console.log(JSON.stringify(bad));
