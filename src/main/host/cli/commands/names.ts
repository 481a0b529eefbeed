import { wholeNumber } from '../../../../shared/config.ts';
import { numberText, optional, required, textValue } from '../option.ts';

const group = 'Input';
const model = { flag: 'model', placeholder: 'M', parse: textValue, group };
const modelHelp = 'imported model by its name, or a Hugging Face folder or .gguf file by its path';

/** Options that several commands share, said once. */
export const requiredModel = required({ ...model, help: modelHelp });
export const optionalModel = optional({ ...model, help: modelHelp });
const data = {
  ...{ flag: 'data', placeholder: 'D', parse: textValue, group },
  help: 'imported dataset by its name, or a JSONL file by its path',
};
export const requiredData = required(data);
export const optionalData = optional(data);
export const pairLimit = optional({
  flag: 'pairs',
  placeholder: 'N',
  parse: numberText(wholeNumber(1)),
  defaultText: 'all',
  help: 'use only the first N rows of the data',
  group,
});
export const adapter = optional({
  flag: 'adapter',
  placeholder: 'DIR',
  parse: textValue,
  help: "folder of a LoRA adapter in PEFT's format, put on the model",
  group,
});

/** Drops what was not given, so that plain requests carry no undefined values. */
export function given<Values extends object>(
  values: Values,
): { [Name in keyof Values]?: Exclude<Values[Name], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Values]?: Exclude<Values[Name], undefined>;
  };
}
