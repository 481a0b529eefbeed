import { unsupportedRowFields } from '../record.ts';
import type { PreferenceFormat } from './format.ts';

/**
 * TRL's own forms (huggingface.co/docs/trl/dataset_formats): standard, conversational and implicit prompt, preference or
 * prompt-completion. What the fields hold decides between them.
 */
export const trl: PreferenceFormat = {
  name: 'trl',
  columns: [
    ...['prompt', 'chosen', 'rejected', 'completion', 'answer', 'chosen_score', 'rejected_score'],
    ...unsupportedRowFields,
  ],
  matches: (record) => 'chosen' in record || 'rejected' in record || 'completion' in record,
  convert: (record) => record,
};
