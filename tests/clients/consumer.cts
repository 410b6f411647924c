// The same for require(). Compiled, not run.
import TURTED = require('turted');

const turted = new TURTED('http://127.0.0.1:7117');
turted.join('chat').then(({ channel }) => channel.length);
turted.on('turted:close', ({ code, reconnect }: TURTED.Close) => console.log(code.toFixed(), reconnect));
// @ts-expect-error there is no such method
turted.emit('MESSAGE:NEW');
