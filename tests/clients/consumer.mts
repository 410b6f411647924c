// What a TypeScript program may write with the types of the package, as an ES module. Compiled, not run.
import TURTED, { TURTED as named } from 'turted';
import { WebSocket } from 'ws';

const turted: TURTED = new named('http://127.0.0.1:7117', { WebSocket, minDelay: 100, transports: ['websocket', 'poll'], pollPath: '/poll' });
turted.on<{ text: string }>('MESSAGE:NEW', (payload, { via, id }) => console.log(payload.text.length, via, id?.length));
turted.on('turted:gap', ({ since }) => console.log(since?.length));
turted.ident({ username: 'adam', token: 't' }).then(({ username }) => username.length);
turted.ident(async (refused) => ({ token: refused?.code ?? 't' })).then(({ channels }) => channels?.length);
turted.on('turted:denied', ({ channel, code }) => console.log(channel.length, code.length));
turted.on('turted:expiring', (expiring) => console.log(expiring.in.toFixed()));
turted.on('TYPING', (_, { from }) => console.log(from?.user?.length, from?.connection.length));
turted.publish('chat', 'TYPING', { n: 1 }, { echo: false }).then(({ id, recipients }) => console.log(id.length, recipients.toFixed()));
// @ts-expect-error a function for ident() gives an identity
turted.ident(() => 5);
const state: TURTED.State = turted.state;
const transport: TURTED.Transport = turted.transport ?? 'events';
// @ts-expect-error there is no such transport
new TURTED('http://127.0.0.1:7117', { transports: ['pigeons'] });
// @ts-expect-error a channel is a string
turted.join(5);
console.log(state, transport);
