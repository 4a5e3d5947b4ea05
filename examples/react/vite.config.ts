// No proxy here: the server allows other origins, so this client asks it directly (see `server` in src/api.ts).
export default { base: "./" }
