import type { Services, ServicesOptions } from './contract.ts';

/** Opens the database and the model store in `home` (made if absent). */
export function createServices(_options: ServicesOptions): Promise<Services> {
  return Promise.reject(new Error('the services are not yet available'));
}
