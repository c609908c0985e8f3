// A gateway that answers every request by an empty 200, over TLS: as fast as one process of Node can.
// node gateway.mjs CERTIFICATE KEY: prints its port.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

const [certificate, key] = process.argv.slice(2).map((name) => readFileSync(name));
const server = createServer({ cert: certificate, key, keepAliveTimeout: 60000 }, (request, response) => {
    request.on('data', () => {});
    request.on('end', () => response.writeHead(200, { 'Content-Length': 0 }).end());
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
