import { defaults } from '../../shared/config.ts';
import type { CompareRequest } from '../../shared/contract.ts';

const quote = (text: string): string =>
  /^[\w./:,=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

/** The command that repeats a comparison; settings at their defaults are left out. */
export function commandOf(request: CompareRequest): string {
  const { shared } = request;
  const flags: [string, string | number | undefined][] = [
    ['--model', request.model],
    ['--data', request.data],
    ['--pairs', request.pairs],
    ['--arms', request.arms.join(',')],
    ['--lr', request.learningRates.join(',')],
    ['--betas', request.betas?.join(',')],
    ['--seeds', request.seeds.join(',')],
    ['--sft-first', request.sftFirst?.learningRate],
    ['--sft-epochs', unless(request.sftFirst?.epochs, defaults.epochs)],
    ['--sft-steps', request.sftFirst?.steps],
    ['--eval-data', shared.evalData],
    ['--eval-share', shared.evalShare],
    ['--eval-every', shared.evalEvery],
    ['--sample-prompts', unless(shared.samplePrompts, defaults.samplePrompts)],
    ['--sample-tokens', unless(shared.sampleTokens, defaults.sampleTokens)],
    ['--eval-kl-prompts', unless(shared.evalKlPrompts, defaults.evalKlPrompts)],
    ['--task-data', request.taskData],
    ['--task-tokens', request.taskTokens],
    ['--eval-questions', unless(request.evalQuestions, 0)],
    ['--kl-prompts', unless(request.driftPrompts, defaults.driftPrompts)],
    ['--beta', shared.beta],
    ['--scheduler', unless(shared.scheduler, defaults.scheduler)],
    ['--warmup', unless(shared.warmup, defaults.warmup)],
    ['--batch-size', unless(shared.batchSize, defaults.batchSize)],
    ['--grad-accum', unless(shared.gradAccum, defaults.gradAccum)],
    ['--steps', shared.steps],
    ['--epochs', unless(shared.epochs, defaults.epochs)],
    ['--max-length', unless(shared.maxLength, defaults.maxLength)],
    ['--max-grad-norm', unless(shared.maxGradNorm, defaults.maxGradNorm)],
    ['--weight-decay', unless(shared.weightDecay, defaults.weightDecay)],
    ['--lora-r', unless(shared.lora?.rank, defaults.loraRank)],
    ['--lora-alpha', unless(shared.lora?.alpha, defaults.loraAlpha)],
    ['--lora-targets', unless(shared.lora?.targets.toString(), defaults.loraTargets)],
    ['--init-adapter', shared.initAdapter],
    ['--reference', shared.reference],
    ['--threads', shared.threads],
  ];
  const words = flags.flatMap(([flag, value]) => (value === undefined ? [] : [flag, quote(String(value))]));
  const switches = [
    ...(shared.evalSplit ? ['--eval-split'] : []),
    ...(shared.full ? ['--full'] : []),
    ...(shared.shuffle ? [] : ['--no-shuffle']),
    ...(shared.lowMemory ? ['--low-memory'] : []),
  ];
  return ['npm run -s plumbline -- compare', ...words, ...switches].join(' ');
}

function unless<Value>(value: Value | undefined, usual: Value): Value | undefined {
  return value === usual ? undefined : value;
}
