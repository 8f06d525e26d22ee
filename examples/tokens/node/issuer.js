import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { SignJWT, calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose';

// In earnest the private key comes from where you keep secrets, and stays the same when the program is started again.
const { privateKey, publicKey } = await generateKeyPair('ES256');
const key = await exportJWK(publicKey); // has nothing of the private key
const kid = await calculateJwkThumbprint(key);
const published = { keys: [{ ...key, kid, alg: 'ES256', use: 'sig' }] };

function readerToken(user, session) {
  return new SignJWT({ sid: session, pushstream: { subscribe: ['topic:news'] } })
    .setProtectedHeader({ alg: 'ES256', kid })
    .setIssuer('https://login.example')
    .setAudience('pushstream')
    .setSubject(user)
    .setIssuedAt()
    .setExpirationTime('15m')
    .setJti(randomUUID())
    .sign(privateKey);
}

const server = createServer((request, response) => {
  const found = request.url === '/.well-known/jwks.json';
  response.writeHead(found ? 200 : 404, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(found ? published : {}));
});
server.listen(Number(process.env.PORT ?? 9000), '127.0.0.1', async () => {
  console.log(`http://127.0.0.1:${server.address().port}/.well-known/jwks.json`);
  console.log(await readerToken('alice', 'session-1'));
});
