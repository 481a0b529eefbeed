/** Random streams by seed and purpose, for services that draw something themselves. */
export { Random } from '../engine/train/random.ts';
