import type { Services, ServicesOptions } from '../../../shared/contract.ts';

/** Loads the services only when a command needs them: native libraries take a moment and help needs none. */
export async function loadServices(options: ServicesOptions): Promise<Services> {
  const { createServices } = await import('../../service/index.ts');
  return createServices(options);
}
