/** Bad networks in virtual time, as docs/networks.md tells of them. */
import { NETWORKS, networkRow } from "../helpers/network-profiles.js";
import { runNetwork } from "../helpers/network-run.js";
import type { Soak } from "./index.js";

export const soakNetworks: Soak = async (number) => {
  const wrong: string[] = [];
  const first = number("first");
  for (const options of NETWORKS) {
    for (let seed = first; seed < first + number("runs"); seed++) {
      const report = await runNetwork({ ...options, seed });
      if (seed === first) console.log(networkRow(report));
      if (report.lost > 0 || report.doubled > 0)
        wrong.push(`${options.name}, seed ${seed}: ${report.lost} lost, ${report.doubled} doubled`);
    }
  }
  return wrong;
};
