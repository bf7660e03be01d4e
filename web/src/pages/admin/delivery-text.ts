// Words for what was sent where: states, types of events, what went wrong on the way.
import type { Schemas } from "../../api/client.ts";
import { count, texts } from "../../lib/i18n.ts";

type Delivery = Schemas["Delivery"];
type Attempt = Schemas["Attempt"];

export const text = texts({
  en: {
    title: "Deliveries",
    one: "Delivery",
    none: "Nothing was sent yet. What calls bring about is sent to the endpoints of the workspace.",
    noneFits: "No delivery fits these filters.",
    clear: "Clear the filters",
    state: "State",
    type: "Event",
    endpoint: "Endpoint",
    since: "Since",
    any: "any",
    call: "Call",
    deal: "Deal",
    when: "Created",
    started: "Started",
    attempts: "Attempts",
    message: "Why not",
    next: "Next attempt",
    done: "Done",
    id: "Webhook-id",
    number: "No.",
    status: "Answer",
    duration: "Took",
    answer: "First bytes of the answer",
    empty: "empty",
    worked: "worked",
    didNot: "did not work",
    noAttempts: "Nothing was tried yet.",
    replay: "Send again",
    replayed: "It is sent again, with the same webhook-id.",
    back: "All deliveries",
    fold: "Attempts",
    sent: "Deliveries",
    noneOf: "Nothing was sent about it.",
    allOf: "In the list of deliveries",
    onlyCall: "of one call",
    onlyDeal: "of one deal",
    everything: "of all",
    states: { pending: "on its way", delivered: "delivered", failed: "failed", dropped: "dropped" },
    types: {
      "call.analyzed": "Call analysed",
      "call.failed": "Call failed",
      "deal.stage_changed": "Deal changed stage",
      "deal.updated": "Deal updated",
      "followup.drafted": "Follow-up drafted",
      "followup.approved": "Follow-up approved",
      "action.due": "Action due",
      "proposal.created": "CRM changes proposed",
      "endpoint.disabled": "Another endpoint was switched off",
      "endpoint.test": "Test",
    } as Record<string, string>,
    errors: {
      timeout: "no answer in time",
      refused: "the connection was refused",
      reset: "the connection was reset",
      cut: "the connection ended before an answer",
      unreachable: "the host cannot be reached",
      name: "the host name is not known",
      tls: "the encryption failed",
      blocked: "the address may not be reached",
      secret: "the stored secret cannot be opened",
      stopped: "the server was stopped",
    } as Record<string, string>,
    tries: (n: number) => count(n, "attempt", "attempts"),
    took: (ms: string) => `${ms} ms`,
  },
  ru: {
    title: "Доставки",
    one: "Доставка",
    none: "Пока ничего не отправлялось. То, к чему приводят звонки, отправляется получателям рабочего пространства.",
    noneFits: "Под эти условия не подходит ни одна доставка.",
    clear: "Сбросить условия",
    state: "Состояние",
    type: "Событие",
    endpoint: "Получатель",
    since: "Начиная с",
    any: "любое",
    call: "Звонок",
    deal: "Сделка",
    when: "Создана",
    started: "Начата",
    attempts: "Попытки",
    message: "Почему нет",
    next: "Следующая попытка",
    done: "Завершена",
    id: "Webhook-id",
    number: "№",
    status: "Ответ",
    duration: "Длилась",
    answer: "Первые байты ответа",
    empty: "пусто",
    worked: "удалась",
    didNot: "не удалась",
    noAttempts: "Попыток ещё не было.",
    replay: "Отправить снова",
    replayed: "Отправляется снова, с тем же webhook-id.",
    back: "Все доставки",
    fold: "Попытки",
    sent: "Доставки",
    noneOf: "Об этом ничего не отправлялось.",
    allOf: "В списке доставок",
    onlyCall: "одного звонка",
    onlyDeal: "одной сделки",
    everything: "все",
    states: { pending: "в пути", delivered: "доставлено", failed: "не доставлено", dropped: "отменено" },
    types: {
      "call.analyzed": "Звонок разобран",
      "call.failed": "Звонок не разобран",
      "deal.stage_changed": "Сделка сменила этап",
      "deal.updated": "Сделка обновилась",
      "followup.drafted": "Черновик письма готов",
      "followup.approved": "Письмо утверждено",
      "action.due": "Подошёл срок действия",
      "proposal.created": "Предложены изменения в CRM",
      "endpoint.disabled": "Другой получатель выключен",
      "endpoint.test": "Проверка",
    } as Record<string, string>,
    errors: {
      timeout: "ответа не было вовремя",
      refused: "соединение отклонено",
      reset: "соединение сброшено",
      cut: "соединение прервалось до ответа",
      unreachable: "узел недоступен",
      name: "имя узла не найдено",
      tls: "не удалось установить шифрование",
      blocked: "к этому адресу обращаться нельзя",
      secret: "сохранённый секрет не открывается",
      stopped: "сервер был остановлен",
    } as Record<string, string>,
    tries: (n: number) => count(n, "попытка", "попытки", "попыток"),
    took: (ms: string) => `${ms} мс`,
  },
});

export const STATES: readonly Schemas["DeliveryState"][] = ["pending", "delivered", "failed", "dropped"];

export function typeWord(type: string): string {
  return text().types[type] ?? type;
}

export function stateTone(state: Delivery["state"]): string {
  return { pending: "watch", delivered: "good", failed: "poor", dropped: "" }[state];
}

/** What came of an attempt. One to a CRM has no answer of its own: the state of its delivery tells about the last. */
export function outcome(attempt: Attempt, of: Schemas["DeliveryWithAttempts"]): { words: string; good: boolean } {
  if (attempt.status != null)
    return { words: String(attempt.status), good: attempt.status >= 200 && attempt.status < 300 };
  if (attempt.error) return { words: text().errors[attempt.error] ?? attempt.error, good: false };
  const good = attempt === of.tries.at(-1) && (of.state === "delivered" || of.state === "dropped");
  return { words: good ? text().worked : text().didNot, good };
}
