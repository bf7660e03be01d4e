// What went wrong with a request, in words for people (RFC 9457).

export interface Problem {
  status: number;
  title: string;
  detail: string;
  problems: string[];
}

export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail || problem.title);
    this.problem = problem;
  }
}

/** `status` 0: no answer came. */
export function asProblem(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  const detail = error instanceof Error ? error.message : String(error);
  return { status: 0, title: "", detail, problems: [] };
}

export async function problemOf(response: Response): Promise<ProblemError> {
  const said = (await response.json().catch(() => ({}))) as Partial<Problem>;
  return new ProblemError({
    status: response.status,
    title: said.title ?? response.statusText,
    detail: said.detail ?? "",
    problems: said.problems ?? [],
  });
}
