// OpenAI's error bodies: always the four keys message, type, param, code.

export class ApiError extends Error {
  constructor(status, message, { type = 'invalid_request_error', param = null, code = null, headers = {} } = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
    this.body = { error: { message, type, param, code } };
  }
}

/** 400 that names the parameter to change. */
export function invalid(param, code, message) {
  return new ApiError(400, message, { param, code });
}

export function modelNotFound(model, param = null) {
  return new ApiError(404, `The model '${model}' does not exist or you do not have access to it.`, {
    param,
    code: 'model_not_found',
  });
}
