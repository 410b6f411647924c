// turted.js as an ES module: in goes the global that the classic file sets, out goes `import TURTED from './turted.mjs'`.
import './turted.js';
export const { TURTED } = globalThis;
export default TURTED;
