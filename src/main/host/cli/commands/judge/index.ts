export { newJudging } from './new.ts';
export { exportJudging, listJudgings, removeJudging, resultOfJudging, showJudging } from './show.ts';
export { judgeVote, prepareJudging, undoJudging } from './vote.ts';
