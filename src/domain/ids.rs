//! The ids that the program knows: each is written once, here, as the text that files and documents use.
//!
//! Owns the closed lists of the domain specification, section I. Sales stages of a customer's own process are
//! *not* here: those are data of `process`.

/// Declares an enum whose variants are known by one text each, with parsing, printing and serde by that text.
macro_rules! ids {
    ($(#[doc = $doc:literal])+ $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($variant),* }

        impl $name {
            /// Every id, in the order of the specification.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// The position in [`Self::ALL`].
            pub const fn index(self) -> usize {
                self as usize
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = super::UnknownId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(super::UnknownId { kind: stringify!($name), text: text.to_owned() }),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "description": concat!($($doc),+).trim(),
                    "type": "string",
                    "enum": [$($text),*],
                })
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .description(Some(concat!($($doc),+).trim()))
                    .enum_values(Some([$($text),*]))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

ids! {
    /// What a turn is about; exactly one for each turn.
    Stage {
        Opening = "opening",
        Discovery = "discovery",
        Qualification = "qualification",
        Presentation = "presentation",
        Objection = "objection",
        Commercial = "commercial",
        Closing = "closing",
        Other = "other",
    }
}

ids! {
    /// What decides where the deal stands, said in one turn of the buyer: an upper score, or the end. Inside the program
    /// only: documents show the scores that follow.
    Cue {
        Power = "power",
        Value = "value",
        Control = "control",
        Signed = "signed",
        Order = "order",
    }
}

ids! {
    /// Where the deal went in this call.
    Move {
        Advance = "advance",
        Stay = "stay",
        Back = "back",
        TooEarly = "too_early",
    }
}

ids! {
    /// Who does something.
    Owner {
        Rep = "rep",
        Buyer = "buyer",
    }
}

ids! {
    /// How something is done.
    Channel {
        Email = "email",
        Phone = "phone",
        Messenger = "messenger",
        Crm = "crm",
        Task = "task",
        Meeting = "meeting",
    }
}

ids! {
    /// How the call ended (SPIN).
    CallOutcome {
        Order = "order",
        Advance = "advance",
        Continuation = "continuation",
        NoSale = "no_sale",
    }
}

ids! {
    /// How sure the talk itself makes a field.
    FieldStatus {
        Stated = "stated",
        Confirmed = "confirmed",
        UnknownToBuyer = "unknown_to_buyer",
        Conflict = "conflict",
        NotStated = "not_stated",
        Proposed = "proposed",
    }
}

ids! {
    /// A qualification field.
    FieldName {
        BuyerCompany = "buyer_company",
        Industry = "industry",
        Participants = "participants",
        TeamSize = "team_size",
        Volumes = "volumes",
        CurrentSolution = "current_solution",
        Pain = "pain",
        PainImpact = "pain_impact",
        Goal = "goal",
        DecisionCriteria = "decision_criteria",
        DecisionMakers = "decision_makers",
        DecisionProcess = "decision_process",
        PaperProcess = "paper_process",
        Budget = "budget",
        SigningLimit = "signing_limit",
        QuotedPrice = "quoted_price",
        DiscountOffered = "discount_offered",
        Timeline = "timeline",
        CriticalEvent = "critical_event",
        Competitors = "competitors",
        Objections = "objections",
        NextMeeting = "next_meeting",
        Commitments = "commitments",
        MaterialsRequested = "materials_requested",
        OpenQuestions = "open_questions",
        LeadSource = "lead_source",
        CustomerKind = "customer_kind",
        CallOutcome = "call_outcome",
        ContactPreference = "contact_preference",
    }
}

ids! {
    /// The part a person plays in the decision.
    DecisionRole {
        EconomicBuyer = "economic_buyer",
        Signatory = "signatory",
        Approver = "approver",
        Champion = "champion",
        Sponsor = "sponsor",
        Influencer = "influencer",
        TechnicalEvaluator = "technical_evaluator",
        Security = "security",
        Legal = "legal",
        Procurement = "procurement",
        User = "user",
        Gatekeeper = "gatekeeper",
        Blocker = "blocker",
        Unknown = "unknown",
    }
}

ids! {
    /// A next best action of the playbook.
    ActionId {
        SendRecapEmail = "send_recap_email",
        UpdateCrm = "update_crm",
        FulfilPromise = "fulfil_promise",
        RemindBuyerPromise = "remind_buyer_promise",
        RespondInboundLead = "respond_inbound_lead",
        BookDiscovery = "book_discovery",
        DeepenPain = "deepen_pain",
        QuantifyImpact = "quantify_impact",
        ConfirmPainInWriting = "confirm_pain_in_writing",
        MapDecision = "map_decision",
        AskAccessToPower = "ask_access_to_power",
        ArmChampion = "arm_champion",
        MultiThread = "multi_thread",
        ScheduleTailoredDemo = "schedule_tailored_demo",
        ReshapeVision = "reshape_vision",
        StartPresentationPrep = "start_presentation_prep",
        ConfirmPresentation = "confirm_presentation",
        BuildBusinessCase = "build_business_case",
        SendProposal = "send_proposal",
        BookProposalReview = "book_proposal_review",
        AnswerPriceObjection = "answer_price_objection",
        ShareProof = "share_proof",
        ReduceRisk = "reduce_risk",
        DraftMutualPlan = "draft_mutual_plan",
        StartPaperProcess = "start_paper_process",
        FixNextStep = "fix_next_step",
        CheckBeforeDeadline = "check_before_deadline",
        SendContract = "send_contract",
        AfterCompetitorDemo = "after_competitor_demo",
        NurtureUntilDate = "nurture_until_date",
        ReviveStalled = "revive_stalled",
        CloseTheLoop = "close_the_loop",
        GracefulExit = "graceful_exit",
        SlowDown = "slow_down",
        Handover = "handover",
    }
}

ids! {
    /// A kind of follow-up e-mail.
    EmailType {
        RecapDiscovery = "recap_discovery",
        RecapDemo = "recap_demo",
        SponsorAccess = "sponsor_access",
        ApproverBrief = "approver_brief",
        ProposalCover = "proposal_cover",
        RecapAgreement = "recap_agreement",
        ObjectionAnswer = "objection_answer",
        Reminder = "reminder",
        CloseTheLoop = "close_the_loop",
        Nurture = "nurture",
        ThankYou = "thank_you",
        Handover = "handover",
    }
}

ids! {
    /// A move of the rep's that belongs to a stage later than the deal's (A.2).
    PrematureMove {
        PitchBeforePain = "pm_pitch_before_pain",
        PriceBeforeValue = "pm_price_before_value",
        ProposalBeforePower = "pm_proposal_before_power",
        CloseEarly = "pm_close_early",
        CloseOverObjection = "pm_close_over_objection",
        DiscountUnasked = "pm_discount_unasked",
        StageJump = "pm_stage_jump",
        PushAfterNo = "pm_push_after_no",
    }
}

ids! {
    /// Why a deal does not move (A.3).
    RootCauseId {
        NoPain = "rc_no_pain",
        NoImpact = "rc_no_impact",
        NoPower = "rc_no_power",
        SingleThread = "rc_single_thread",
        RivalVision = "rc_rival_vision",
        NoValue = "rc_no_value",
        NoPlan = "rc_no_plan",
        NoNextStep = "rc_no_next_step",
        Indecision = "rc_indecision",
        Timing = "rc_timing",
        WeDroppedIt = "rc_we_dropped_it",
        ChampionLost = "rc_champion_lost",
    }
}

ids! {
    /// A figure of the scorecard (E.2, E.3).
    Metric {
        TalkRatio = "talk_ratio",
        LongestRepMonologueS = "longest_rep_monologue_s",
        LongestBuyerStoryS = "longest_buyer_story_s",
        Interactivity = "interactivity",
        QuestionCount30 = "question_count_30",
        OpenQuestionShare = "open_question_share",
        QuestionSpread = "question_spread",
        PatienceS = "patience_s",
        PostObjectionPauseS = "post_objection_pause_s",
        RateChangeAfterObjection = "rate_change_after_objection",
        ObjAnswerLengthS = "obj_answer_length_s",
        Interruptions10 = "interruptions_10",
        BackchannelRate = "backchannel_rate",
        DeckMinutes = "deck_minutes",
        FillerRate = "filler_rate",
        NextStepShare = "next_step_share",
        CompetitorMentionStage = "competitor_mention_stage",
        AgendaSet = "agenda_set",
        DiscoveryDepth = "discovery_depth",
        SpinMix = "spin_mix",
        QualificationCoverage = "qualification_coverage",
        ListeningRate = "listening_rate",
        EmpathyResponse = "empathy_response",
        ValueLinkShare = "value_link_share",
        ProofGiven = "proof_given",
        PriceAfterValue = "price_after_value",
        ObjectionPattern = "objection_pattern",
        NextStepQuality = "next_step_quality",
        PromisesKept = "promises_kept",
        PrematureCount = "premature_count",
        PressureCount = "pressure_count",
        DiscountDiscipline = "discount_discipline",
    }
}

ids! {
    /// What a call was for, by what was talked about most; `short`: too little talk for the norms of a
    /// whole one. The norms of the scorecard go by it (E.1).
    CallType {
        Discovery = "discovery",
        Demo = "demo",
        Negotiation = "negotiation",
        Short = "short",
    }
}

ids! {
    /// What the value of a metric counts; a `yes_no` is 1 or 0.
    Unit {
        Share = "share",
        Seconds = "seconds",
        Minutes = "minutes",
        Count = "count",
        Points = "points",
        YesNo = "yes_no",
        PerMin = "per_min",
        Per10Min = "per_10_min",
        Per30Min = "per_30_min",
        Per100Words = "per_100_words",
    }
}

ids! {
    /// How a value compares with its norm.
    Band {
        Good = "good",
        Watch = "watch",
        Poor = "poor",
    }
}

ids! {
    /// Something that a turn says, beside its stage.
    Signal {
        BuyerSituation = "buyer_situation",
        BuyerPain = "buyer_pain",
        BuyerImpact = "buyer_impact",
        BuyerVision = "buyer_vision",
        BuyerDecider = "buyer_decider",
        BuyerProcess = "buyer_process",
        BuyerBudget = "buyer_budget",
        BuyerTimeline = "buyer_timeline",
        BuyerCompetitor = "buyer_competitor",
        BuyerValueAck = "buyer_value_ack",
        BuyerPriceQuestion = "buyer_price_question",
        BuyerBuyingSignal = "buyer_buying_signal",
        BuyerObjPrice = "buyer_obj_price",
        BuyerObjNeed = "buyer_obj_need",
        BuyerObjTrust = "buyer_obj_trust",
        BuyerDelay = "buyer_delay",
        BuyerCommitment = "buyer_commitment",
        BuyerChampion = "buyer_champion",
        BuyerRefusal = "buyer_refusal",
        RepAgenda = "rep_agenda",
        RepQSituation = "rep_q_situation",
        RepQPain = "rep_q_pain",
        RepQImpact = "rep_q_impact",
        RepQVision = "rep_q_vision",
        RepQDecision = "rep_q_decision",
        RepActiveListening = "rep_active_listening",
        RepEmpathy = "rep_empathy",
        RepPitch = "rep_pitch",
        RepValueLink = "rep_value_link",
        RepProof = "rep_proof",
        RepPrice = "rep_price",
        RepObjHandle = "rep_obj_handle",
        RepNextStep = "rep_next_step",
        RepClose = "rep_close",
        RepPressure = "rep_pressure",
    }
}

impl Signal {
    /// The side that alone can give this signal.
    pub fn speaker(self) -> super::Role {
        if self.as_str().starts_with("buyer_") {
            super::Role::Buyer
        } else {
            super::Role::Rep
        }
    }
}
