// Words for the closed lists inside of values and decisions. What the server has words for (fields, signals, stages…) is
// `vocabulary.ts`'s.
import type { Schemas } from "../api/client.ts";
import { language, texts } from "./i18n.ts";

export const words = texts({
  en: {
    status: {
      stated: "stated",
      confirmed: "confirmed",
      unknown_to_buyer: "they do not know",
      conflict: "contradicting",
      not_stated: "not stated",
      proposed: "proposed, not accepted",
    },
    decided: {
      rules: "decided by rules",
      local: "decided by the local model",
      llm: "decided by the language model",
      person: "decided by a person",
    },
    severity: { low: "minor", medium: "notable", high: "serious" },
    noNorm: "no norm",
    period: {
      one_off: "once",
      day: "a day",
      week: "a week",
      month: "a month",
      quarter: "a quarter",
      year: "a year",
    },
    per: { user: "per user", seat: "per seat", minute: "per minute", call: "per call", site: "per site" },
    vat: { included: "VAT included", excluded: "VAT excluded" },
    qualifier: { on: "", by: "by", before: "before", after: "after", approx: "about" },
    bound: { min: "from", max: "up to" },
    dateKind: {
      go_live: "go-live",
      decision: "decision",
      contract_end: "end of the contract",
      budget_opens: "budget opens",
      call: "by phone",
    },
    title: {
      CFO: "CFO",
      CEO: "CEO",
      owner: "owner",
      CTO: "CTO",
      security: "security",
      legal: "legal",
      procurement: "procurement",
      IT: "IT",
      "head of sales": "head of sales",
      "commercial director": "commercial director",
      board: "board",
      director: "director",
      partner: "partner",
    },
    competitor: {
      considering: "being considered",
      incumbent: "in use now",
      in_house: "in house",
      unnamed: "not named",
    },
    objection: { price: "price", need: "no need", trust: "trust", delay: "delay" },
    objectionStatus: { open: "open", answered: "answered", accepted: "answer accepted" },
    paper: {
      legal: "legal",
      security: "security",
      procurement: "procurement",
      tender: "tender",
      contract: "contract",
    },
    leadSource: {
      referral: "referral",
      inbound: "came by themselves",
      outbound: "we called first",
      event: "event",
      repeat: "bought before",
    },
    customer: { new: "new customer", existing: "existing customer" },
    contact: { email: "e-mail", phone: "phone", messenger: "messenger" },
    failure: {
      bad_input: "The file cannot be read as it is. Upload it in another format, or check that it holds speech.",
      missing_model:
        "A model is missing on the server. An administrator finds on the page Models how to get it; then analyse again.",
      gave_up: "Several tries failed. Analyse again; if it fails again, tell your administrator what is written here.",
      denied: "The people on the call did not agree to it. It is not analysed.",
      internal: "It is not your fault. Analyse again; if it fails again, tell your administrator what is written here.",
    },
    must: "must have",
    nice: "nice to have",
    ambiguous: "ambiguous",
    past: "in the past",
    assumedCurrency: "currency assumed",
    assumedScale: "thousands or millions assumed",
  },
  ru: {
    status: {
      stated: "сказано",
      confirmed: "подтверждено",
      unknown_to_buyer: "клиент не знает",
      conflict: "противоречие",
      not_stated: "не прозвучало",
      proposed: "предложено, не подтверждено",
    },
    decided: {
      rules: "решено правилами",
      local: "решено локальной моделью",
      llm: "решено языковой моделью",
      person: "решено человеком",
    },
    severity: { low: "мелочь", medium: "заметно", high: "серьёзно" },
    noNorm: "без оценки",
    period: {
      one_off: "разово",
      day: "в день",
      week: "в неделю",
      month: "в месяц",
      quarter: "в квартал",
      year: "в год",
    },
    per: {
      user: "за пользователя",
      seat: "за место",
      minute: "за минуту",
      call: "за звонок",
      site: "за площадку",
    },
    vat: { included: "с НДС", excluded: "без НДС" },
    qualifier: { on: "", by: "не позднее", before: "раньше", after: "после", approx: "примерно" },
    bound: { min: "от", max: "до" },
    dateKind: {
      go_live: "запуск",
      decision: "решение",
      contract_end: "конец договора",
      budget_opens: "открывается бюджет",
      call: "по телефону",
    },
    title: {
      CFO: "финансовый директор",
      CEO: "генеральный директор",
      owner: "собственник",
      CTO: "технический директор",
      security: "служба безопасности",
      legal: "юристы",
      procurement: "закупки",
      IT: "ИТ",
      "head of sales": "руководитель продаж",
      "commercial director": "коммерческий директор",
      board: "правление",
      director: "руководитель",
      partner: "партнёр",
    },
    competitor: {
      considering: "рассматривают",
      incumbent: "используют сейчас",
      in_house: "своими силами",
      unnamed: "не назван",
    },
    objection: { price: "цена", need: "не нужно", trust: "доверие", delay: "откладывает" },
    objectionStatus: { open: "без ответа", answered: "ответ дан", accepted: "ответ принят" },
    paper: {
      legal: "юристы",
      security: "безопасность",
      procurement: "закупки",
      tender: "тендер",
      contract: "договор",
    },
    leadSource: {
      referral: "рекомендация",
      inbound: "входящее обращение",
      outbound: "исходящий звонок",
      event: "мероприятие",
      repeat: "повторное обращение",
    },
    customer: { new: "новый клиент", existing: "действующий клиент" },
    contact: { email: "почта", phone: "телефон", messenger: "мессенджер" },
    failure: {
      bad_input: "Файл в таком виде не читается. Загрузите его в другом формате или проверьте, есть ли в нём речь.",
      missing_model:
        "На сервере не хватает модели. На странице «Модели» администратор увидит, как её получить; потом разберите заново.",
      gave_up: "Несколько попыток не удались. Разберите заново; если не выйдет, передайте администратору этот текст.",
      denied: "Участники разговора не дали согласия. Звонок не разбирается.",
      internal: "Вы ни при чём. Разберите заново; если не выйдет, передайте администратору этот текст.",
    },
    must: "обязательно",
    nice: "желательно",
    ambiguous: "неоднозначно",
    past: "в прошлом",
    assumedCurrency: "валюта предположительно",
    assumedScale: "тысячи или миллионы — предположительно",
  },
});

/** A word of a closed list; what is not in it is shown as it is. */
export function of(list: Record<string, string>, id: string | null | undefined): string {
  return id == null ? "" : (list[id] ?? id.replaceAll("_", " "));
}

/** What to do about a call that failed. */
export function remedy(code: string): string {
  const { failure } = words();
  return failure[code as keyof typeof failure] ?? failure.internal;
}

/** Why a call failed, in a line. The server says it in English, with the remedy; in Russian the remedy is ours. */
export function whyFailed(error: Schemas["Problem"]): string {
  return language.value === "en" ? error.message : `${remedy(error.code)} (${error.message})`;
}
