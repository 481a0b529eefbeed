import { formatBytes, formatCount, formatParameters } from '../../../../shared/format.ts';
import type { ModelSummary } from '../../../../shared/contract.ts';
import { defineCommand } from '../command.ts';
import { optional, textValue, toggle } from '../option.ts';
import { renderTable } from '../table.ts';

function modelTable(models: readonly ModelSummary[]): string {
  return renderTable(
    [
      { title: 'NAME' },
      { title: 'FAMILY' },
      { title: 'PARAMETERS', align: 'right' },
      { title: 'WEIGHTS' },
      { title: 'CONTEXT', align: 'right' },
      { title: 'CHAT' },
      { title: 'SIZE', align: 'right' },
      { title: 'PATH' },
    ],
    models.map((model) => [
      model.name,
      model.architecture,
      formatParameters(model.parameters),
      model.missing ? 'missing' : model.format,
      formatCount(model.contextLength),
      model.chatTemplate ? 'yes' : 'no',
      formatBytes(model.bytes),
      model.path,
    ]),
  );
}

export const addModel = defineCommand({
  name: 'models add',
  summary: 'import a model from a Hugging Face folder or a GGUF file',
  details: [
    'Weights that can be read where they lie stay there; 16-bit and GGUF weights are converted once into the model ' +
      'store. Only .safetensors and .gguf are read: pickle files (.bin, .pt) can run code and are refused.',
  ],
  positionals: [
    { name: 'folder|file.gguf', help: 'folder with config.json, tokenizer and .safetensors, or a GGUF file' },
  ],
  options: {
    name: optional({
      flag: 'name',
      placeholder: 'N',
      parse: textValue,
      defaultText: "the folder's or file's own name",
      help: 'name for --model',
      group: 'Options',
    }),
  },
  examples: ['models add ./smollm2-135m-instruct', 'models add ./model-q8_0.gguf --name small'],
  run: async (context, { positionals, options }) => {
    const services = await context.services();
    const name = options.name === undefined ? {} : { name: options.name };
    return services.addModel({ path: positionals[0]!, ...name }, context.call);
  },
  render: ({ model, added }) =>
    `${added ? 'added' : `known already as ${model.name}`}\n${modelTable([model])}\nuse it with --model ${model.name}`,
});

export const listModels = defineCommand({
  name: 'models list',
  summary: 'show imported models',
  details: [],
  positionals: [],
  options: {},
  examples: ['models list --json'],
  run: async (context) => (await context.services()).listModels(),
  render: ({ models }) =>
    models.length === 0
      ? 'no models yet; add one with: plumbline models add <folder|file.gguf>'
      : modelTable(models),
});

const named = { name: 'model', help: 'its name, as "models list" shows it' };

export const showModel = defineCommand({
  name: 'models show',
  summary: "show a model's config, tensors, tokenizer and what LoRA can be put on",
  details: [],
  positionals: [named],
  options: {},
  examples: ['models show small', 'models show small --json'],
  run: async (context, { positionals: [model] }) =>
    (await context.services()).inspectModel({ model: model! }),
  render: ({ config, tensors, linearLayers, tokenizer, runs, ...model }) =>
    [
      modelTable([model]),
      '',
      `layers for LoRA   ${linearLayers.join(', ')}`,
      `vocabulary        ${formatCount(tokenizer.vocabulary)}`,
      `end tokens        ${tokenizer.endTokens.join(' ')}`,
      `runs              ${runs}`,
      '',
      renderTable(
        [{ title: 'CONFIG' }, { title: 'VALUE' }],
        config.map(({ key, value }) => [key, value]),
      ),
      '',
      renderTable(
        [{ title: 'TENSOR' }, { title: 'TYPE' }, { title: 'SHAPE' }],
        tensors.map(({ name, type, shape }) => [name, type, shape.join(' × ')]),
      ),
      ...(tokenizer.template === undefined ? [] : ['', 'chat template:', tokenizer.template]),
    ].join('\n'),
});

export const renameModel = defineCommand({
  name: 'models rename',
  summary: 'give a model another name',
  details: ['Work that was asked for under its old name goes on.'],
  positionals: [named, { name: 'name', help: 'its new name' }],
  options: {},
  examples: ['models rename small smollm2'],
  run: async (context, { positionals: [model, to] }) =>
    (await context.services()).renameModel({ model: model!, to: to! }),
  render: ({ models }) => modelTable(models),
});

export const removeModel = defineCommand({
  name: 'models remove',
  summary: 'forget a model, with the copy that was converted for it',
  details: [
    'Weights that are used where they lie stay there. Runs on it keep their metrics and adapters; they can no longer be ' +
      'taken up again. Without --yes it only says what would go.',
  ],
  positionals: [named],
  options: { yes: toggle({ flag: 'yes', help: 'remove it', group: 'Options' }) },
  examples: ['models remove small', 'models remove small --yes'],
  run: async (context, { positionals: [model], options: { yes } }) =>
    (await context.services()).removeModel({ model: model!, confirmed: yes }),
  render: ({ removed, bytes, runs }) =>
    [
      `${removed ? 'removed' : 'would be removed with --yes'}, with ${formatBytes(bytes)} of converted weights`,
      ...(runs.length === 0 ? [] : [`runs that were trained on it stay: ${runs.join(', ')}`]),
    ].join('\n'),
});
