/** The conformance service, as a peer made with framewire serves it. */

import type { CallOptions } from "../../src/calls/call-options.js";
import type { CallErrorCode } from "../../src/errors.js";
import { codeOfStatus, FramewireError, statusOf } from "../../src/errors.js";
import {
  ConformanceServiceDefinition,
  DriveMethod,
  type DriveRequest,
  type DriveResponse,
} from "../../src/gen/framewire/conformance/v1/conformance.js";
import type { ServiceClient, ServiceImplementation } from "../../src/protocol/definition.js";

interface Context {
  readonly signal: AbortSignal;
  readonly connection: { service(definition: ConformanceServiceDefinition): ServiceClient<ConformanceServiceDefinition, CallOptions> };
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** Serves every method; keeps the marks of all its connections. */
export function conformanceService(): ServiceImplementation<ConformanceServiceDefinition, Context> {
  let marks: number[] = [];
  return {
    echo: ({ data }) => ({ data }),
    async *count({ count, padding }) {
      for (let number = 1; number <= count; number++) yield { number, padding: new Uint8Array(padding) };
    },
    sum: async (requests, { signal }) => {
      let sum = 0n;
      for await (const { number, pauseMs } of requests) {
        sum += number;
        if (pauseMs > 0) await sleep(pauseMs, signal);
      }
      return { sum };
    },
    fail: ({ status, message }) => {
      throw new FramewireError(codeOfStatus(status), message);
    },
    sleep: async ({ sleepMs }, { signal }) => {
      await sleep(sleepMs, signal);
      return { sleepMs };
    },
    mark: ({ number }) => {
      marks.push(number);
    },
    marks: () => {
      const numbers = marks;
      marks = [];
      return { numbers };
    },
    drive: async (request, { connection }) => {
      const result: DriveResponse = { status: 0, message: "", data: new Uint8Array(0), sum: 0n, numbers: [] };
      try {
        return { ...result, ...(await driven(request, connection.service(ConformanceServiceDefinition))) };
      } catch (error) {
        const { code, message } = error as FramewireError;
        return { ...result, status: statusOf(code as CallErrorCode), message };
      }
    },
  };
}

async function driven(
  { target, data, count, timeoutMs }: DriveRequest,
  service: ServiceClient<ConformanceServiceDefinition, CallOptions>,
): Promise<Partial<DriveResponse>> {
  switch (target) {
    case DriveMethod.DRIVE_METHOD_ECHO:
      return { data: (await service.echo({ data }, { timeoutMs })).data };
    case DriveMethod.DRIVE_METHOD_COUNT: {
      const numbers: number[] = [];
      for await (const { number } of service.count({ count, padding: data.length }, { timeoutMs })) numbers.push(number);
      return { numbers };
    }
    case DriveMethod.DRIVE_METHOD_SUM: {
      const items = async function* () {
        for (let number = 1; number <= count; number++) yield { number: BigInt(number), padding: data };
      };
      return { sum: (await service.sum(items(), { timeoutMs })).sum };
    }
    default:
      throw new FramewireError("invalid-argument", "no method was named");
  }
}
