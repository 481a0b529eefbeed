import { formatBytes, formatCount, formatParameters } from '../../../../shared/format.ts';
import type { ModelSummary } from '../../../../shared/contract.ts';
import { defineCommand } from '../command.ts';
import { optional, textValue } from '../option.ts';
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
