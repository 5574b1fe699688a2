import * as grpc from "@grpc/grpc-js";
import { serialised } from "../../messages.js";
import { type EchoPeer, same } from "./peer.js";

const asIs = (bytes: Buffer) => bytes;

/** One stream both ways for each connection, bytes handed through without a schema: the way that costs grpc-js least. */
const SERVICE = {
  echo: {
    path: "/bench.v1.Raw/Echo",
    requestStream: true,
    responseStream: true,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  },
} as const;

/** @grpc/grpc-js, bidirectional streaming. */
export const grpcJs: EchoPeer = {
  serve() {
    const server = new grpc.Server();
    server.addService(SERVICE, {
      echo: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
        call.on("data", (data: Buffer) => call.write(data));
        call.on("end", () => call.end());
      },
    });
    return new Promise((resolve, reject) =>
      server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port))),
    );
  },
  async connect(port, replied) {
    const Client = grpc.makeGenericClientConstructor(SERVICE, "bench.v1.Raw");
    // A pool of its own: clients of one address would share a connection.
    const client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
    const call = client.makeBidiStreamRequest(SERVICE.echo.path, asIs, asIs, new grpc.Metadata(), {});
    let payload: Buffer = Buffer.alloc(0);
    call.on("data", (data: Buffer) => {
      same("length", data.length, payload.length);
      replied();
    });
    call.on("error", (error) => {
      throw error;
    });
    return {
      prepare: (bytes) => {
        payload = serialised(bytes);
      },
      send: () => void call.write(payload),
    };
  },
};
