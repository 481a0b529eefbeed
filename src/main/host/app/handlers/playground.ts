import type { Handlers } from '../handler.ts';

export const playgroundHandlers = {
  generateText: ({ services }, request, call) => services.generateText(request, call),
  scoreText: ({ services }, request, call) => services.scoreText(request, call),
} satisfies Partial<Handlers>;
