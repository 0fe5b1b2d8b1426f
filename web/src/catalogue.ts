// Engines and models as the server lists them, kept current by the event model.changed.
import { api, sentence } from "./api";
import type { Engine, Model, ModelChange } from "./types";

/** A model that does a task in final quality, with the engine that would answer. */
export interface Candidate {
  model: Model;
  engine: Engine;
  ready: boolean;
}

export class Catalogue {
  engines: Engine[] = [];
  models: Model[] = [];
  loaded = false;
  error = "";
  private loading = false;
  private stale = false;

  /** told hears of every change: of one model's progress, or of anything. */
  constructor(private readonly told: (progressed: Model | null) => void) {}

  /** Reads both lists. What changes meanwhile is read once more. */
  async load(): Promise<void> {
    this.stale = true;
    if (this.loading) return;
    this.loading = true;
    try {
      while (this.stale) {
        this.stale = false;
        const [engines, models] = await Promise.all([api.engines(), api.models()]);
        this.engines = engines.data;
        this.models = models.data;
        this.loaded = true;
        this.error = "";
      }
    } catch (error) {
      this.error = sentence(error);
    } finally {
      this.loading = false;
    }
    this.told(null);
  }

  /** A step of a running task is shown at once; all else is in the list only. */
  changed(change: ModelChange): void {
    const { task } = change;
    const model = this.models.find((m) => m.id === change.model && m.needs_files);
    if (!model?.task || task?.status !== "running" || model.task.id !== task.id || model.task.status !== "running")
      return void this.load();
    const progress = task.total_bytes > 0 ? Math.min(task.done_bytes / task.total_bytes, 1) : 0;
    model.task = { ...model.task, done_bytes: task.done_bytes, total_bytes: task.total_bytes, progress };
    this.told(model);
  }

  engine(id: string): Engine | undefined {
    return this.engines.find((engine) => engine.id === id);
  }

  draftEngine(task: string): Engine | undefined {
    return this.engines.find((engine) => engine.quality === "draft" && task in engine.tasks);
  }

  /** Models for the task in final quality. Of two of one id, the first that is ready answers, as on the server. */
  candidates(task: string): Candidate[] {
    const found: Candidate[] = [];
    for (const model of this.models) {
      const engine = this.engine(model.engine);
      if (engine?.quality === "final" && model.tasks?.includes(task))
        found.push({ model, engine, ready: engine.installed && model.installed });
    }
    return found;
  }
}

/** The variant that an installation takes when none is named. */
export const usualVariant = (model: Model): string => model.default_variant || (model.variants?.[0]?.id ?? "");

/** What a task may be told, by the JSON Schema in the engine's list. */
export interface Parameter {
  type?: string;
  minimum?: number;
  maximum?: number;
  default?: number;
}

export function parameters(engine: Engine | undefined, task: string): Record<string, Parameter> {
  const schema = engine?.tasks[task] as { properties?: Record<string, Parameter> } | undefined;
  return schema?.properties ?? {};
}
