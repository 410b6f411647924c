// The types of turted.mjs: those of turted.d.ts as a default and a named export.
import TURTED from './turted.js';
export { TURTED };
export default TURTED;
