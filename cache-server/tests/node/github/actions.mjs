// Drives GitHub's own clients as an action would: reads a list of steps from its input, takes one after the other, each
// with the token of its job, and prints what came of each as one line of JSON. It knows nothing of any server.

import { createHash, randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import * as fs from 'node:fs';
import * as path from 'node:path';

const require = createRequire(process.env.ACTIONS_CLIENTS + '/');
const cache = require('@actions/cache');
const { DefaultArtifactClient } = require('@actions/artifact');
const artifacts = new DefaultArtifactClient();

const digest = (file) => createHash('sha256').update(fs.readFileSync(file)).digest('hex');

const steps = {
  async save({ key, file, length }) {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, randomBytes(length));
    return { saved: (await cache.saveCache([file], key)) !== -1, digest: digest(file) };
  },
  async restore({ key, file, restoreKeys }) {
    fs.rmSync(file, { force: true });
    const hit = await cache.restoreCache([file], key, restoreKeys ?? []);
    return { hit: hit ?? null, digest: fs.existsSync(file) ? digest(file) : null };
  },
  async upload({ name, length, retentionDays }) {
    const dir = fs.mkdtempSync(path.join(process.env.RUNNER_TEMP, 'up-'));
    const file = path.join(dir, 'content.bin');
    fs.writeFileSync(file, randomBytes(length));
    const { id, size } = await artifacts.uploadArtifact(name, [file], dir, { retentionDays, compressionLevel: 0 });
    return { id, size, digest: digest(file) };
  },
  async list() {
    const { artifacts: all } = await artifacts.listArtifacts();
    return { names: all.map((one) => one.name).sort(), digests: all.every((one) => one.digest?.startsWith('sha256:')) };
  },
  async download({ name }) {
    const { artifact } = await artifacts.getArtifact(name);
    const to = fs.mkdtempSync(path.join(process.env.RUNNER_TEMP, 'down-'));
    const { digestMismatch } = await artifacts.downloadArtifact(artifact.id, { path: to, expectedHash: artifact.digest });
    return { id: artifact.id, digestMismatch, digest: digest(path.join(to, 'content.bin')) };
  },
  async delete({ name }) {
    return await artifacts.deleteArtifact(name);
  },
};

for (const { step, token, ...rest } of JSON.parse(fs.readFileSync(0, 'utf8'))) {
  process.env.ACTIONS_RUNTIME_TOKEN = token;
  let result;
  try {
    result = await steps[step](rest);
  } catch (error) {
    result = { failed: `${error.name}: ${error.message}` };
  }
  fs.writeSync(3, `${JSON.stringify(result)}\n`);
}
process.exit(0);
